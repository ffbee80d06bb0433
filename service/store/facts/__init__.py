"""Facts about numbers, messages and registrations."""
