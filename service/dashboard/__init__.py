"""Views of events for operators."""
