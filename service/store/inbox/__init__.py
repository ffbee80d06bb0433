"""Accepted events: the durable record, the queue and leases."""
