"""Identifiers that look random and are the same for the same seed."""

import random
import uuid

LASTING = frozenset({"messaging profile", "url domain"})
"""The kinds whose ids depend on the seed alone: configurations name them."""


class Identifiers:
    """Draws UUIDs, codes and chances from one seed. A text may be `added` to it for all kinds but the lasting ones.

    Each kind has its own sequence, so that work in the background does not change the ids of messages.
    """

    def __init__(self, seed: int, added: str = "") -> None:
        self._seed, self._added = seed, added
        self._sequences: dict[str, random.Random] = {}

    def uuid(self, kind: str) -> str:
        """Return the next UUID (version 4) of that kind, in text form."""
        return str(uuid.UUID(int=self._sequence(kind).getrandbits(128), version=4))

    def digits(self, kind: str, length: int) -> str:
        """Return `length` random decimal digits, such as an ownership code."""
        return "".join(self._sequence(kind).choices("0123456789", k=length))

    def chance(self, kind: str, probability: float) -> bool:
        """Return True with `probability` between 0 and 1."""
        return self._sequence(kind).random() < probability

    def _sequence(self, kind: str) -> random.Random:
        added = "" if kind in LASTING else self._added
        return self._sequences.setdefault(kind, random.Random(f"{self._seed}{added} {kind}"))
