"""Signatures, encryption and masking."""
