"""Whose turn it is among claimed events, for handlers that run the events of one key in order."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Self

from redis.exceptions import RedisError

from service.events.event import InvalidBody
from service.events.event_types import fits
from service.routing import Router
from service.store.batching import Batcher
from service.store.inbox.leases import FINISH_INTERVAL, Lease, LeaseLost
from service.store.inbox.order import NO_LANE, NOW, Placing, Turn, key_digests, register, take_turns
from service.store.inbox.records import EventRecord
from service.store.store import Store
from service.subscription import Subscription
from service.worker.handler_runner import HandlerServices
from service.worker.held_leases import ActiveEvent, HeldLeases
from service.worker.order_keys import NoKey, order_key
from service.worker.outcomes import UnfitPayload

PAUSES = (0.002, 0.004, 0.008, 0.016)
"""Seconds for which other workers may give places to the earlier events that they have claimed."""
MAX_FOLLOWING = 0.5
"""Seconds for which an event keeps its lease while the earlier event runs on this worker. It is given back then."""


def ordered_types(router: Router) -> dict[str, tuple[str, ...]]:
    """Return the event types of the handlers that run in order, by name."""
    return {name: each.types for name, each in router.subscriptions.items() if each.ordered_by and each.types}


def _by_number(router: Router) -> list[str]:
    return [name for name, each in router.subscriptions.items() if each.ordered_by == "number"]


@dataclass
class Ordering:
    """Asks for the turns of claimed events. Those of one claim share one round trip.

    `asking` counts the claimed events whose turn is not known yet. `_following` counts those that wait here.
    """

    services: HandlerServices
    store: Store
    leases: HeldLeases
    types: Mapping[str, tuple[str, ...]]
    _batches: "Batcher[Sequence[Placing], Sequence[Turn]]"
    asking: int = 0
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    _following: int = 0

    @classmethod
    def of(cls, services: HandlerServices, store: Store, leases: HeldLeases) -> Self:
        """Return the ordering of a worker's handlers."""
        commit = partial(_take_turns, services, store)
        batches: Batcher[Sequence[Placing], Sequence[Turn]] = Batcher(commit, passing=(RedisError, OSError))
        return cls(services, store, leases, ordered_types(services.router), batches)

    async def register(self) -> None:
        """Let the deployment know which handlers run in order, before their events are claimed."""
        if self.types:
            await register(self.store, self.types, by_number=_by_number(self.services.router))

    def stop(self) -> None:
        """Start nothing any more. The worker hands back the events that were claimed and not begun."""
        for task in list(self._tasks):
            task.cancel()

    async def close(self) -> None:
        """Wait for the last answer."""
        self.stop()
        await self._batches.close(within=1.0)

    def begin(self, leases: Iterable[Lease], start: Callable[[Lease], None]) -> None:
        """Start claimed events: those that need a turn once it is known whose it is, and all others at once."""
        asking = []
        for lease in leases:
            if self.types and lease.turn is None and self._needs_turn(lease):
                asking.append(self.leases.running[lease.record.id])
            else:
                start(lease)
        if asking:
            self.asking += len(asking)
            task = asyncio.create_task(self._begin_in_turn(asking, start))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def answered(self) -> None:
        """Wait until the turns of all claimed events are known."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def interval(self) -> float:
        """Return the seconds between small batches of results: 0 where half of the events here wait for others."""
        most_wait = 2 * self._following >= max(1, len(self.leases.running))
        return 0.0 if most_wait else FINISH_INTERVAL

    async def at_turn(self, running: ActiveEvent, due: Sequence[str]) -> list[str]:
        """Return the due handlers whose turn it is. The others wait for an earlier event.

        Raises:
            LeaseLost: the lease is gone.
        """
        if running.turn is None and self._needs_turn(running.lease):
            await self._ask([running], _begin_nothing)
        turn = running.turn or running.lease.turn or NOW
        if turn.is_lost:
            raise LeaseLost
        if not turn.waits:
            return [*due]
        for name in turn.waits:
            self.services.metrics.count_wait(name)
        at_turn = [name for name in due if name not in turn.waits] or await self._follow(running, turn)
        if at_turn or not turn.follows:
            return at_turn
        # Its record does not say yet that it waits.
        await self._ask([running], _begin_nothing)
        return await self.at_turn(running, due)

    def give(self, event_id: str, handler: str) -> None:
        """Note that a handler of an event has its turn now: the event before it has ended."""
        if (running := self.leases.running.get(event_id)) is not None:
            running.turns_given.add(handler)
            _answer(running.turn_comes, comes=True)

    def _needs_turn(self, lease: Lease) -> bool:
        """Return whether a due handler runs in order and was not given its turn before."""
        now = lease.claimed_at
        return lease.turn is None and any(
            name in self.types and not (each.has_turn or each.ended) and each.due <= now
            for name, each in lease.record.handlers.items()
        )

    async def _begin_in_turn(self, asking: Sequence[ActiveEvent], start: Callable[[Lease], None]) -> None:
        left = {running.lease.record.id: running for running in asking}

        def begin(running: ActiveEvent) -> None:
            event_id = running.lease.record.id
            del left[event_id]
            self.asking -= 1
            # Its lease may have lapsed meanwhile, and the event may be claimed once more.
            if self.leases.running.get(event_id) is running:
                start(running.lease)

        try:
            await self._ask(asking, begin)
        except Exception:  # noqa: BLE001 - each event finds the same trouble in a task of its own, where it counts
            for running in list(left.values()):
                begin(running)
        finally:
            self.asking -= len(left)

    async def _ask(self, asking: Sequence[ActiveEvent], begin: Callable[[ActiveEvent], None]) -> None:
        """Ask for the turns of events, and let each begin once its own is known."""
        pauses = iter(PAUSES)
        left = [(each, _placing(self.services, each.lease, each.without_key)) for each in asking]
        while left:
            asked, left = left, []
            for (running, placing), turn in zip(
                asked, await self._batches.submit([each for _, each in asked]), strict=True
            ):
                if turn.is_early:
                    left.append((running, placing))
                else:
                    running.turn = turn
                    begin(running)
            if left and (pause := next(pauses, None)) is not None:
                await asyncio.sleep(pause)
            else:
                left = [(running, replace(placing, is_urgent=True)) for running, placing in left]

    async def _follow(self, running: ActiveEvent, turn: Turn) -> list[str]:
        """Return the handlers that get their turn soon, since the earlier event runs on this worker.

        Events that wait so leave half of the room to others.

        Raises:
            LeaseLost: the lease may have lapsed meanwhile, and another worker may run the event.
        """
        if not running.turns_given and not await self._wait_here(running, turn):
            return []
        if not running.holds_lease():
            raise LeaseLost
        return [name for name in turn.waits if name in running.turns_given]

    async def _wait_here(self, running: ActiveEvent, turn: Turn) -> bool:
        most = max(1, self.services.settings.concurrency // 2)
        if self._following >= most or not all(each in self.leases.running for each in turn.waits.values()):
            return False
        self._following += 1
        loop = asyncio.get_running_loop()
        # A future and a timer of the loop. `asyncio.timeout` costs a follower as much as the rest of its wait.
        comes: asyncio.Future[bool] = loop.create_future()
        running.turn_comes = comes
        timer = loop.call_later(MAX_FOLLOWING, lambda: _answer(comes, comes=False))
        try:
            return await comes
        finally:
            timer.cancel()
            self._following -= 1


def _answer(awaited: "asyncio.Future[bool] | None", *, comes: bool) -> None:
    """Tell one who waits here for a turn whether it comes, if nobody has yet."""
    if awaited is not None and not awaited.done():
        awaited.set_result(comes)


def _begin_nothing(_: ActiveEvent) -> None:
    """Begin nothing: the event's task runs already."""


async def _take_turns(
    services: HandlerServices, store: Store, batches: Sequence[Sequence[Placing]]
) -> Sequence[Sequence[Turn]]:
    """Return whose turn it is, for the events of each claim. Those of several claims are asked about together."""
    turns = iter(await _take_all_turns(services, store, [each for batch in batches for each in batch]))
    return [[next(turns) for _ in batch] for batch in batches]


async def _take_all_turns(services: HandlerServices, store: Store, placings: Sequence[Placing]) -> list[Turn]:
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


def _ordered(services: HandlerServices) -> list[Subscription]:
    return [each for each in services.router.subscriptions.values() if each.ordered_by is not None]


def _placing(services: HandlerServices, lease: Lease, without_key: dict[str, Exception]) -> Placing:
    """Return an event's lanes. `without_key` gets the errors of handlers that have no key for it."""
    record, placed = lease.record, {}
    for each in _ordered(services):
        name = each.name
        listed = name in record.handlers if record.handlers else any(fits(type_, record.type) for type_ in each.types)
        if not listed:
            continue
        try:
            placed[name] = key_digests(order_key(lease, each), services.store.encryption)
        except NoKey as error:
            without_key[name] = error
            placed[name] = (NO_LANE,)
        except (InvalidBody, UnfitPayload):
            # Its run meets the same, and ends for it.
            placed[name] = (NO_LANE,)
    return Placing(record.id, placed, lease.token)
