"""Checks for data under missing encryption keys, or in the clear although there is a key."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from service.store.scripts import script
from service.store.store import Store

BODY_SEALS = script("body_seals")
PAGE = 500


@dataclass(frozen=True, slots=True)
class EncryptionFindings:
    """Missing keys with what stands under them: numbers that have opted out, and bodies; and bodies in the clear."""

    opt_outs: Counter[str] = field(default_factory=Counter)
    bodies: Counter[str] = field(default_factory=Counter)
    unsealed: int = 0

    @property
    def missing(self) -> Iterator[str]:
        """Yield the missing keys, in words."""
        for name in sorted(self.opt_outs | self.bodies):
            yield (
                f"the encryption key {name} is missing, under which {self.opt_outs[name]} opted-out numbers and"
                f" {self.bodies[name]} bodies are stored: add it to RINGBACK_ENCRYPTION_KEY, after a comma"
            )


async def keys_missing_for_opt_outs(store: Store) -> Counter[str]:
    """Return the keys that are not here and hide numbers that have opted out, with how many each hides.

    While there is one, nothing is sent: nobody can tell who must not be written to.
    """
    counted: dict[bytes, bytes] = await store.redis.hgetall(store.keys.optout_keys)  # type: ignore[misc]
    names = {name.decode(errors="replace"): number for name, number in counted.items()}
    return Counter({name: int(number) for name, number in names.items() if name not in store.encryption.names})


async def trouble_with_encryption(store: Store) -> str | None:
    """Return why nothing can be sent for want of an encryption key; None where none is missing."""
    missing = await keys_missing_for_opt_outs(store)
    return "; ".join(EncryptionFindings(opt_outs=missing).missing) or None


async def check_encryption(store: Store) -> EncryptionFindings:
    """Look at the seals of all bodies, and at the keys that hide opted-out numbers."""
    seals = Counter[str]()
    cursor = 0
    while True:
        cursor, found = await store.redis.zscan(store.keys.events, cursor, count=PAGE)
        ids = [event_id for event_id, _ in found]
        for start in range(0, len(ids), PAGE):
            names = await store.run(BODY_SEALS, *ids[start : start + PAGE])
            seals.update(name.decode() for name in names)
        if cursor == 0:
            break
    unsealed = seals.pop("", 0) if store.encryption.active else 0
    bodies = Counter({name: number for name, number in seals.items() if name and name not in store.encryption.names})
    return EncryptionFindings(await keys_missing_for_opt_outs(store), bodies, unsealed)
