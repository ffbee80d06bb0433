"""Measurements of Ringback beside its peers: `python -m benchmarks`."""
