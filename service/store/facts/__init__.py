"""What is known of numbers, messages and registrations."""
