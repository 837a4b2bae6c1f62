"""A simulated exchange and broker."""
