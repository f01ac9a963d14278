"""A sidecar caching proxy in front of HashiCorp Consul."""

__version__ = "0.1.0"
