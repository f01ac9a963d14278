"""What Consul's answers mean: services, their places and their categories, beside the proxy."""
