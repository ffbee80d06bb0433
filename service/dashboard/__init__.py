"""What operators see of events."""
