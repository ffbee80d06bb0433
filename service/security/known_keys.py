"""Signing keys whose private half anybody can have: the simulator's, and those made of one byte repeated.

Every reader of this repository can sign with them, so they prove nothing about the sender of a webhook.
"""

import hashlib
from collections.abc import Iterator
from functools import cache

from nacl.signing import SigningKey

SIMULATOR_KEYS = 64
"""Key pairs that the simulator has: few, so that each can be recognised."""


def simulator_key(seed: int) -> SigningKey:
    """Return the key pair of a simulator with this seed."""
    return SigningKey(hashlib.sha256(f"ringback simulator {seed % SIMULATOR_KEYS}".encode()).digest())


def describe_known_key(public_key: bytes) -> str | None:
    """Return in words whose key this is, or None where nobody but its owner can sign with it.

    Cost: about 20 ms at the first call.
    """
    return _known_keys().get(public_key)


@cache
def _known_keys() -> dict[bytes, str]:
    return {bytes(key.verify_key): owner for key, owner in _all()}


def _all() -> Iterator[tuple[SigningKey, str]]:
    for seed in range(SIMULATOR_KEYS):
        yield simulator_key(seed), "the simulator's key"
    for byte in range(256):
        yield SigningKey(bytes([byte]) * 32), "the sample key of the documentation" if byte == 0 else "a sample key"
