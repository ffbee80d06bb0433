"""Every structure and script in Redis."""
