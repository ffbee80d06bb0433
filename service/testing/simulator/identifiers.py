"""Identifiers that look random and are the same for the same seed."""

import random
import uuid


class Identifiers:
    """Draws UUIDs, codes and chances from one seed.

    Each kind has its own sequence, so that work in the background does not change the ids of messages.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
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
        return self._sequences.setdefault(kind, random.Random(f"{self._seed} {kind}"))
