"""The registrations of RCS agents, as far as they decide which phones are asked about.

An agent without a registration here is asked about as before: Telnyx may have set it up by hand.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace

import orjson

from service import clock
from service.store.facts.remembered import REMEMBERED, test_device_field
from service.store.later_fields import known_fields
from service.store.store import Store


@dataclass(frozen=True, slots=True)
class AgentStanding:
    """How far an agent has come.

    `launched`: a carrier has approved it, so that phones can be asked about. `approved` are the ids of these approvals.
    `unapproved` are the names of carriers that have not approved it, as `service.outbound.carriers` gives them.
    `pending`: something of it is under review. `since` is when its approvals last changed (seconds since 1970): a phone
    that was refused before may be reached now. `lost_at` is when it last lost an approval: before, a phone was reached
    that may not be reached now.
    """

    launched: bool
    pending: bool
    approved: tuple[str, ...] = ()
    unapproved: tuple[str, ...] = ()
    since: float = 0.0
    lost_at: float = 0.0

    def after(self, known: "AgentStanding | None") -> "AgentStanding":
        """Return this standing with the times of the changes since the known one."""
        if known is None:
            return replace(self, since=clock.now())
        same = (known.launched, known.approved) == (self.launched, self.approved)
        lost = not set(known.approved) <= set(self.approved) or known.launched > self.launched
        return replace(self, since=known.since if same else clock.now(), lost_at=clock.now() if lost else known.lost_at)


async def agent_standings(store: Store) -> dict[str, AgentStanding]:
    """Return the standing of each agent under registration, by its id."""
    stored: dict[bytes, bytes] = await store.redis.hgetall(store.keys.rcs_agents)  # type: ignore[misc]
    return {agent.decode(): _parsed(value) for agent, value in stored.items()}


async def note_standings(store: Store, now: Mapping[str, AgentStanding]) -> None:
    """Store the standing of each agent, and forget the agents that are gone."""
    before = await agent_standings(store)
    gone = before.keys() - now.keys()
    async with store.redis.pipeline(transaction=False) as pipeline:
        for agent, standing in now.items():
            known = before.get(agent)
            if known != (after := standing.after(known)):
                pipeline.hset(store.keys.rcs_agents, agent, orjson.dumps(asdict(after)).decode())
            (pipeline.sadd if standing.unapproved else pipeline.srem)(store.keys.rcs_unapproved, agent)
        if gone:
            pipeline.hdel(store.keys.rcs_agents, *gone)
            pipeline.srem(store.keys.rcs_unapproved, *gone)
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
    told = known_fields(AgentStanding, stored)
    return AgentStanding(**{**told, **{name: tuple(told.get(name, ())) for name in ("approved", "unapproved")}})
