"""Pauses: handlers that a person has stopped for a while. Their due events are parked, as by any cause."""

from redis.asyncio import Redis

from service.store.effects.blocks import STEP
from service.store.keys import Keys
from service.store.scripts import run, script

PAUSE = script("pause")
RESUME = script("resume")

ALL = "*"
"""In place of a handler's name: every handler."""
KIND = "paused"
DETAIL = "paused by a person"


def cause_of(handler: str) -> str:
    """The name of the cause that holds what a paused handler would do."""
    return KIND if handler == ALL else f"{KIND}:{handler}"


async def pause(redis: "Redis", keys: Keys, handler: str) -> bool:
    """Pause a handler; answers whether it ran before."""
    advice = "ringback resume" if handler == ALL else f"ringback resume {handler}"
    return bool(await run(redis, PAUSE, keys.namespace, cause_of(handler), handler, DETAIL, advice))


async def resume(redis: "Redis", keys: Keys, handler: str) -> int | None:
    """End a pause; answers how many events it held, None where there was none."""
    was_paused, held = await run(redis, RESUME, keys.namespace, cause_of(handler), handler, STEP)
    return int(held) if was_paused else None


async def paused(redis: "Redis", keys: Keys) -> set[str]:
    """Return the names of the paused handlers."""
    members: set[bytes] = await redis.smembers(keys.paused)  # type: ignore[misc]
    return {each.decode() for each in members}
