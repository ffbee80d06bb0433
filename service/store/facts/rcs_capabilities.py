"""The remembered RCS capabilities of phones, by number and agent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from service import clock
from service.store.store import Store

REMEMBERED = 31 * 86400.0
"""Seconds for which a result stands."""


@dataclass(frozen=True, slots=True)
class Capability:
    """A phone's capability for the messages of one agent; without features it has no RCS there.

    Source: knowledge base, RCS capabilities and deeplinks: `features` is null without RCS, `GENERIC_RCS_FEATURE` alone
    where the phone takes text only.
    """

    features: tuple[str, ...]

    @property
    def capable(self) -> bool:
        """Whether an RCS message can reach the phone at all."""
        return bool(self.features)


async def recall(store: Store, agent: str, numbers: Iterable[str]) -> dict[str, Capability]:
    """Return the remembered capabilities of these numbers; unknown ones are left out."""
    asked = [(number, form) for number in dict.fromkeys(numbers) for form in store.encryption.forms(number)]
    async with store.redis.pipeline(transaction=False) as pipeline:
        for _, form in asked:
            pipeline.hget(store.keys.rcs(form), agent)
        answers: list[bytes | None] = await pipeline.execute()
    oldest, known = clock.now() - REMEMBERED, dict[str, Any]()
    for (number, _), answer in zip(asked, answers, strict=True):
        # Of several, that under the form of today is the latest: it comes first.
        if answer is not None and number not in known:
            known[number] = orjson.loads(answer)
    return {number: Capability(tuple(each["features"])) for number, each in known.items() if each["at"] > oldest}


async def remember(store: Store, agent: str, found: Mapping[str, Capability]) -> None:
    """Remember what Telnyx has just answered."""
    async with store.redis.pipeline(transaction=False) as pipeline:
        for number, capability in found.items():
            value = orjson.dumps({"features": capability.features, "at": clock.now()})
            form = store.encryption.hide(number)
            pipeline.hset(store.keys.rcs(form), agent, value.decode())
            # The key lasts as long as its youngest field, which bears its own time besides.
            pipeline.expire(store.keys.rcs(form), int(REMEMBERED))
        await pipeline.execute()


async def forget(store: Store, agent: str, number: str) -> None:
    """Ask again the next time."""
    async with store.redis.pipeline(transaction=False) as pipeline:
        for form in store.encryption.forms(number):
            pipeline.hdel(store.keys.rcs(form), agent)
        await pipeline.execute()
