"""The count of recent replies to numbers."""

from typing import Literal

from service.store.store import Store


async def reason_against_answer(
    store: Store, number: str, *, effect_key: str, limit: int, budget: int, window: float
) -> Literal["loop", "over_budget"] | None:
    """Return why no answer may go to this number: `limit` went to it, or `budget` in all, within `window` seconds."""
    args = (effect_key, limit, int(window * 1000), budget)
    reason: bytes = await store.run("reply", *args, *store.encryption.forms(number))
    return reason.decode() or None  # type: ignore[return-value]


async def take_back_answer(store: Store, number: str, *, effect_key: str) -> None:
    """Count an answer no longer that was not sent."""
    for form in store.encryption.forms(number):
        await store.redis.zrem(store.keys.replies(form), effect_key)
