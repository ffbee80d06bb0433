"""Handlers that run the events of one key in the order of acceptance: whose turn it is among the claimed events."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

from redis.exceptions import RedisError

from service.events.event import InvalidBody
from service.events.event_types import fits
from service.routing import Router
from service.store.batching import Batcher
from service.store.inbox.leases import Lease, LeaseLost
from service.store.inbox.order import NO_LANE, Placing, Turn, lanes, register, take_turns
from service.store.inbox.records import EventRecord
from service.store.store import Store
from service.worker.handler_runner import HandlerServices
from service.worker.held_leases import ActiveEvent
from service.worker.order_keys import NoKey, order_key
from service.worker.outcomes import UnfitPayload

PAUSES = (0.002, 0.004, 0.008, 0.016)
"""Seconds for which other workers may give places to the earlier events that they have claimed."""
MOST_UNKEYED = 100
"""Events of others that one call gives places to."""


def ordered_types(router: Router) -> dict[str, tuple[str, ...]]:
    """Return the event types of the handlers that run in order, by name."""
    return {name: each.types for name, each in router.subscriptions.items() if each.ordered_by and each.types}


@dataclass(frozen=True)
class Ordering:
    """Asks for the turns of claimed events. Concurrent ones share one round trip."""

    services: HandlerServices
    store: Store
    types: Mapping[str, tuple[str, ...]]
    _asking: "Batcher[Placing, Turn]"

    @classmethod
    def of(cls, services: HandlerServices, store: Store) -> Self:
        """Return the ordering of a worker's handlers."""
        commit = partial(_take_turns, services, store)
        return cls(services, store, ordered_types(services.router), Batcher(commit, passing=(RedisError, OSError)))

    async def register(self) -> None:
        """Let the deployment know which handlers run in order, before their events are claimed."""
        if self.types:
            await register(self.store, self.types)

    async def close(self) -> None:
        """Wait for the last answer."""
        await self._asking.close(within=1.0)

    async def at_turn(self, running: ActiveEvent, due: Sequence[str]) -> list[str]:
        """Return the due handlers whose turn it is. The others wait for an earlier event.

        Raises:
            LeaseLost: the lease is gone.
        """
        if not any(name in self.types for name in due):
            return [*due]
        placing = _placing(self.services, running.lease, running.without_key)
        turn = await self._asking.submit(placing)
        if turn.is_lost:
            raise LeaseLost
        for name in turn.waits:
            self.services.metrics.count_wait(name)
        return [name for name in due if name not in turn.waits]


async def _take_turns(services: HandlerServices, store: Store, placings: Sequence[Placing]) -> list[Turn]:
    """Return whose turn it is, once all earlier events have their places.

    Another worker that has claimed them is about to give them. So wait a little, then give them here.
    """
    turns, _ = await take_turns(store, placings)
    for pause in PAUSES:
        if not any(each.is_early for each in turns):
            return turns
        await asyncio.sleep(pause)
        turns, _ = await take_turns(store, placings)
    while any(each.is_early for each in turns):
        turns, earlier = await take_turns(store, placings, unkeyed=MOST_UNKEYED)
        await take_turns(store, _places(services, earlier))
    return turns


def _places(services: HandlerServices, records: Iterable[EventRecord]) -> list[Placing]:
    """Return the places of events that were not claimed here."""
    leases = (Lease(record, "", alone=False, claimed_at=0) for record in records)
    return [_placing(services, lease, {}) for lease in leases]


def _placing(services: HandlerServices, lease: Lease, without_key: dict[str, Exception]) -> Placing:
    """Return an event's lanes. `without_key` gets the errors of handlers that have no key for it."""
    record, placed = lease.record, {}
    for name, each in services.router.subscriptions.items():
        listed = name in record.handlers if record.handlers else any(fits(type_, record.type) for type_ in each.types)
        if each.ordered_by is None or not listed:
            continue
        try:
            placed[name] = lanes(name, order_key(lease, each), services.store.encryption)
        except NoKey as error:
            without_key[name] = error
            placed[name] = (NO_LANE,)
        except (InvalidBody, UnfitPayload):
            # Its run meets the same, and ends for it.
            placed[name] = (NO_LANE,)
    return Placing(record.id, placed, lease.token)
