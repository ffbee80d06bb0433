"""Commands that list, follow and repeat events."""
