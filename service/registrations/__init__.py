"""Agents, messaging profiles, toll-free requests and hosted orders, for handlers and commands."""
