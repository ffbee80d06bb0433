"""Receivers and workers as people write them without Ringback."""
