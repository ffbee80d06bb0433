"""Pauses: handlers that a person has stopped for a while. Their due events are parked, as by any cause."""

from service.store.effects.blocks import STEP
from service.store.scripts import script
from service.store.store import Store

PAUSE = script("pause")
RESUME = script("resume")

ALL = "*"
"""In place of a handler's name: every handler."""
KIND = "paused"
DETAIL = "paused by a person"


def cause_of(handler: str) -> str:
    """The name of the cause that holds what a paused handler would do."""
    return KIND if handler == ALL else f"{KIND}:{handler}"


async def pause(store: Store, handler: str) -> bool:
    """Pause a handler; answers whether it ran before."""
    advice = "ringback resume" if handler == ALL else f"ringback resume {handler}"
    return bool(await store.run(PAUSE, cause_of(handler), handler, DETAIL, advice))


async def resume(store: Store, handler: str) -> int | None:
    """End a pause; answers how many events it held, None where there was none."""
    was_paused, held = await store.run(RESUME, cause_of(handler), handler, STEP)
    return int(held) if was_paused else None


async def paused(store: Store) -> set[str]:
    """Return the names of the paused handlers."""
    members: set[bytes] = await store.redis.smembers(store.keys.paused)  # type: ignore[misc]
    return {each.decode() for each in members}
