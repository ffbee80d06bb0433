"""Calls to Telnyx: once, within limits, through outages."""
