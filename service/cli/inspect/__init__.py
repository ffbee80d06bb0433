"""Commands that examine a deployment."""
