"""How much may be sent within an hour, for all workers together."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.store.scripts import script
from service.store.store import Store

SMS_BUDGET = script("sms_budget")
WINDOW = 3600.0


@dataclass(frozen=True, slots=True)
class Room:
    """Whether segments can be had; else in how many seconds some may be, and whether a person is to be told now."""

    granted: bool
    again_in: float
    tell: bool


async def room(store: Store, effect: str, *, segments: int, limit: int) -> Room:
    """Return whether an effect (by its name in the ledger) has segments or can have them, out of `limit` in any hour.

    Nothing is taken: the script that writes the intent takes them.
    """
    args = (effect, segments, limit, int(WINDOW * 1000))
    return parse_room(await store.run(SMS_BUDGET, *args))


def parse_room(answer: Sequence[int]) -> Room:
    """Read the scripts' answer."""
    granted, wait, tell = answer
    return Room(granted == 1, wait / 1000, tell == 1)
