"""What is kept of Consul's answers, and how it stays true."""
