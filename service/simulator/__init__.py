"""The former place of `service.testing.simulator`, kept for one release."""
