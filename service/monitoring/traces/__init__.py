"""Traces of events by OpenTelemetry, from the webhook to Telnyx. Without them nothing of it is imported."""
