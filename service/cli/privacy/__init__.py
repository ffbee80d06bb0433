"""Commands about numbers and consent."""
