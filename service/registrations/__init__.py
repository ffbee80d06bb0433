"""What handlers and commands share about agents, profiles, toll-free requests and hosted orders."""
