"""RCS agents that were not there at the look before."""

from collections.abc import Iterable

import orjson

from service.routing import Context
from service.store.facts.snapshots import compare_and_set, snapshot

KIND, ALL = "agents", "all"


async def new_agents(ctx: Context, ids: Iterable[str]) -> list[str]:
    """Those of these agents that were not remembered; at the first look, when nothing is, none is new."""
    before = await snapshot(ctx.services.store, KIND, ALL)
    return [] if before is None else [each for each in ids if each not in orjson.loads(before)]


async def remember_agents(ctx: Context, ids: Iterable[str]) -> None:
    """Remember that these agents are there; where somebody else does so at the same moment, theirs holds."""
    before = await snapshot(ctx.services.store, KIND, ALL)
    after = orjson.dumps(sorted(ids))
    await compare_and_set(ctx.services.store, KIND, ALL, before=before, after=after)
