"""Holds the other name of `service.testing.simulator.fixtures`."""
