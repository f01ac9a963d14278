"""What clients, operators and Prometheus see."""
