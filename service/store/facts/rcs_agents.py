"""The registrations of RCS agents, as far as they decide which phones are asked about.

An agent without a registration here is asked about as before: Telnyx may have set it up by hand.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace

import orjson

from service import clock
from service.store.facts.remembered import REMEMBERED, test_device_field
from service.store.store import Store


@dataclass(frozen=True, slots=True)
class AgentStanding:
    """How far an agent has come.

    `launched`: a carrier has approved it, so that phones can be asked about. `approved` are the ids of these approvals.
    `pending`: something of it is under review. `since` is when its approvals last changed (seconds since 1970). A phone
    that was refused before then may be reached now.
    """

    launched: bool
    pending: bool
    approved: tuple[str, ...] = ()
    since: float = 0.0


async def agent_standings(store: Store) -> dict[str, AgentStanding]:
    """Return the standing of each agent under registration, by its id."""
    stored: dict[bytes, bytes] = await store.redis.hgetall(store.keys.rcs_agents)  # type: ignore[misc]
    return {agent.decode(): _parsed(value) for agent, value in stored.items()}


async def note_standings(store: Store, now: Mapping[str, AgentStanding]) -> None:
    """Store the standing of each agent, and forget the agents that are gone. Keep `since` where approvals are equal."""
    before = await agent_standings(store)
    gone = before.keys() - now.keys()
    async with store.redis.pipeline(transaction=False) as pipeline:
        for agent, standing in now.items():
            known = before.get(agent)
            same = known is not None and (known.launched, known.approved) == (standing.launched, standing.approved)
            since = known.since if same and known is not None else clock.now()
            if known != (after := replace(standing, since=since)):
                pipeline.hset(store.keys.rcs_agents, agent, orjson.dumps(asdict(after)).decode())
        if gone:
            pipeline.hdel(store.keys.rcs_agents, *gone)
        await pipeline.execute()


async def note_test_devices(store: Store, agent: str, accepted: Collection[str], others: Collection[str]) -> None:
    """Remember which numbers try an agent, and which no longer do. A new one is asked about again."""
    field = test_device_field(agent)
    for number in accepted:
        key = store.keys.rcs(store.encryption.hide(number))
        if not await store.redis.hexists(key, field):  # type: ignore[misc]
            await store.redis.hdel(key, agent)  # type: ignore[misc]
            # Last, so that a crash before it only repeats the deletion.
            await store.redis.hset(key, field, "1")  # type: ignore[misc]
        await store.redis.expire(key, int(REMEMBERED))
    for number in others:
        for form in store.encryption.forms(number):
            await store.redis.hdel(store.keys.rcs(form), field)  # type: ignore[misc]


def _parsed(stored: bytes) -> AgentStanding:
    fields = orjson.loads(stored)
    return AgentStanding(**{**fields, "approved": tuple(fields["approved"])})
