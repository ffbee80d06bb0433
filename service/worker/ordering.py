"""Whose turn it is among claimed events, for handlers that run the events of one key in order."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
        turn = await self._turn(placing)
        if turn.is_lost:
            raise LeaseLost
        for name in turn.waits:
            self.services.metrics.count_wait(name)
        return [name for name in due if name not in turn.waits]

    async def _turn(self, placing: Placing) -> Turn:
        for pause in PAUSES:
            turn = await self._asking.submit(placing)
            if not turn.is_early:
                return turn
            await asyncio.sleep(pause)
        placing = replace(placing, is_urgent=True)
        while (turn := await self._asking.submit(placing)).is_early:
            pass
        return turn


async def _take_turns(services: HandlerServices, store: Store, placings: Sequence[Placing]) -> list[Turn]:
    """Return whose turn it is. Earlier events that nobody has claimed are given their places here.

    Those that were claimed get them from their worker. Where it is late, they get them here too.
    """
    patient = not any(each.is_urgent for each in placings)
    turns, earlier = await take_turns(store, placings, patient=patient)
    while earlier:
        early = [i for i, turn in enumerate(turns) if turn.is_early]
        places = _places(services, earlier)
        answers, earlier = await take_turns(store, [*places, *(placings[i] for i in early)], patient=patient)
        for i, turn in zip(early, answers[len(places) :], strict=True):
            turns[i] = turn
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
