"""The SMS fallback, and what is known of messages."""
