"""Calls that change something: ledger, limits, blocks."""
