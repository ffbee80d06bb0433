"""Leases: a worker's time-limited claims on events, and the only mutual exclusion between workers."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal, Self

import orjson
from pydantic import TypeAdapter

from service.events import Event, read_event
from service.security.encryption import PLAIN, Sealer
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.order import NOW, Turn, read_turn
from service.store.inbox.records import EventRecord, parse_record
from service.store.inbox.workers import WorkerSign
from service.store.scripts import Argument
from service.store.store import Store, behind_length

DRAINING_IS_REMEMBERED = 86_400_000
"""Milliseconds, longer than any lease, so that a stopped worker's leases never count as lapses of an event."""

FINISHED_AT_ONCE = 64
"""Events that one script finishes: about 2 ms in which the server does nothing else. A full worker has 200 of them."""

FINISH_INTERVAL = 0.003
"""Seconds between small batches of results. The server writes to disk for each, and a new event waits for that."""


class LeaseLost(BaseException):
    """The lease has lapsed or went to another worker: nothing done here may be recorded, nor any effect begun.

    No Exception, so that a handler's `except Exception` cannot swallow it.
    """


@dataclass(frozen=True)
class Lease:
    """One event, claimed: its record at the claim, and the token that proves the claim.

    `alone` marks a suspect: an event during which workers vanished, so that nothing else runs beside it. `claimed_at`
    is the server's time (milliseconds since 1970), `monotonic` that of this process (seconds). `uncertain` says that
    the data may have been restored since the event arrived. Then its effects may be missing in the ledger. `turn` is
    that of its handlers in order, where the claim knows it.
    """

    record: EventRecord
    token: str
    alone: bool
    claimed_at: int
    monotonic: float = field(default_factory=time.monotonic)
    uncertain: bool = False
    turn: Turn | None = None
    _payloads: dict[TypeAdapter[Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _spare: list[Event[dict[str, Any]]] = field(default_factory=list, init=False, repr=False, compare=False)

    @cached_property
    def event(self) -> Event[dict[str, Any]]:
        """The event in the body, parsed once for all who only read it. Raises like `read_event`."""
        return self.read_event()

    def read_event(self) -> Event[dict[str, Any]]:
        """Parse the body.

        Raises:
            service.events.InvalidBody: the body is damaged.
        """
        if self._spare:
            return self._spare.pop()
        record = self.record
        return read_event(record.id, record.type, record.body or b"{}", record.arrived_by)

    def glance(self) -> Event[dict[str, Any]]:
        """Return the event for a look that keeps nothing of it. The next who reads the event gets this one.

        Raises:
            service.events.InvalidBody: the body is damaged.
        """
        event = self.read_event()
        self._spare.append(event)
        return event

    def payload(self, model: TypeAdapter[Any]) -> Any:
        """Return the payload as this model. A frozen one is made once for all handlers that ask for it.

        Raises:
            pydantic.ValidationError: the payload does not fit the model.
        """
        if model in self._payloads:
            return self._payloads[model]
        payload = model.validate_python(self.event.payload)
        if getattr(payload, "model_config", {}).get("frozen"):
            self._payloads[model] = payload
        return payload

    def now(self) -> int:
        """Return the server's time in milliseconds. Due times must not depend on the clocks of workers."""
        return self.claimed_at + int((time.monotonic() - self.monotonic) * 1000)


@dataclass(frozen=True, slots=True)
class ClaimedEvents:
    """The answer to a claim: our events, ids of arq's own due jobs, and seconds until the next is due.

    `poison_suspects` counts due events that only a worker without other work is given. `paused` names paused handlers.
    `is_full` says that as much was claimed as was asked for, so that more may be due.
    `damaged` are the ids of events that ended because their records are damaged. `unreadable` are the members of the
    queue that are no text, so no event has such an id.
    """

    leases: list[Lease]
    foreign: list[str]
    next_in: float | None
    poison_suspects: int = 0
    paused: frozenset[str] = frozenset()
    damaged: tuple[str, ...] = ()
    unreadable: tuple[bytes, ...] = ()
    is_full: bool = False


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """A request for a claim: up to `limit` due events for `lease` seconds.

    `number` counts a worker's claims. One whose reply was lost is repeated under its number. `routes` fixes the
    handlers of events that were never claimed before. `alone` says that the worker runs nothing else. `ordered` are
    those among the routes that run events of one key in order.
    """

    worker: str
    number: int
    lease: float
    limit: int
    routes: Mapping[str, Iterable[str]]
    alone: bool = False
    only: str | None = None
    ordered: Mapping[str, Iterable[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HandlerResults:
    """The results of one event: handlers' records, and with `release` that the lease is given back."""

    lease: Lease
    handlers: Mapping[str, bytes]
    release: bool

    @classmethod
    def of(cls, lease: Lease, ended: Mapping[str, HandlerRecord], *, release: bool, sealer: Sealer = PLAIN) -> Self:
        """Serialize the records at once, so that an unfit one fails its own event and no batch."""
        event_id = lease.record.id
        records = {name: record.sealed(sealer, event_id, name).to_json() for name, record in ended.items()}
        return cls(lease, records, release)


@dataclass(frozen=True, slots=True)
class HeldLease:
    """One event that a worker runs: its lease is to be extended, or to end because the event is overdue.

    `about` names the handler and the place in its code that block the event loop, where that is why.
    """

    event_id: str
    token: str
    renewal_action: Literal["extend", "overdue"] = "extend"
    about: Mapping[str, str] = field(default_factory=dict)


async def claim(store: Store, request: ClaimRequest) -> ClaimedEvents:
    """Take due events.

    Raises:
        redis.exceptions.RedisError: it is not known whether events were taken. Repeat the request to learn which.
    """
    began = time.monotonic()
    return read_claim(store, request, await store.run("claim", *claim_arguments(request)), at=began)


def claim_arguments(request: ClaimRequest) -> list[Argument]:
    """Return the arguments of `claim.lua`."""
    args: list[Argument] = [request.worker, request.number, int(request.lease * 1000), request.limit]
    ordered = orjson.dumps(request.ordered) if request.ordered else b""
    args += (int(request.alone), orjson.dumps(request.routes), ordered)
    return args if request.only is None else [*args, request.only]


def read_claim(store: Store, request: ClaimRequest, answer: list[Any], *, at: float) -> ClaimedEvents:
    """Return what `claim.lua` answered to a request. It was carried out at about `at` (monotonic seconds)."""
    claimed, foreign, wait, now, poison_suspects, paused, damaged, uncertain_before = answer
    taken, jobs = [each for each in claimed if _is_text(each[0])], [job for job in foreign if _is_text(job)]
    times = now, at, uncertain_before
    odd = [store.keys.job_id("").encode() + each[0] for each in claimed if not _is_text(each[0])]
    return ClaimedEvents(
        leases=[_lease(store, entry, f"{request.worker}:{request.number}", times) for entry in taken],
        foreign=[job.decode() for job in jobs],
        next_in=None if wait < 0 else wait / 1000,
        poison_suspects=poison_suspects,
        paused=frozenset(each.decode() for each in paused),
        damaged=tuple(each.decode(errors="replace") for each in damaged),
        unreadable=(*odd, *(job for job in foreign if not _is_text(job))),
        is_full=len(claimed) >= request.limit,
    )


async def finish(
    store: Store, endings: Sequence[HandlerResults], *, at_turn: Callable[[str, str], None] | None = None
) -> list[str]:
    """Record endings. Return for each event its state, or `lost` where nothing was recorded.

    `at_turn` is called with the id and the handler of each event that waited for one of these.
    """
    states, woken = await store.run("finish", *finishing(endings))
    if at_turn is not None:
        for event_id, handler in zip(woken[::2], woken[1::2], strict=True):
            at_turn(event_id.decode(), handler.decode())
    return [state.decode() for state in states]


def renewal(
    worker: str,
    held: Iterable[HeldLease],
    *,
    lease: float,
    answered: int,
    blocked: tuple[float, str] | None = None,
    sign: WorkerSign | None = None,
    times: bytes = b"",
) -> list[Argument]:
    """Return the arguments of `renew.lua`: extend by `lease` seconds what is held, give back what does not run.

    `answered` is the number of the last claim that, like all before it, was answered. `blocked` says for how many
    seconds the worker's event loop has been blocked, and by whose code. `sign` describes the worker. `times` are its
    counts (`TimesRecorder`).
    """
    told = orjson.dumps({"seconds": round(blocked[0], 1), "place": blocked[1]}) if blocked else b""
    args: list[Argument] = [worker, int(lease * 1000), answered, told, sign.to_json() if sign else b"", times]
    for each in held:
        args += (each.event_id, each.token, each.renewal_action, orjson.dumps(each.about) if each.about else b"")
    return args


def finishing(endings: Iterable[HandlerResults]) -> list[Argument]:
    """Return the arguments of `finish.lua`."""
    return [_pack(each) for each in endings]


def _pack(ending: HandlerResults) -> bytes:
    lease = ending.lease
    parts = [behind_length(lease.record.id.encode()), _packed(lease.token), b"\x01" if ending.release else b"\x00"]
    for name, record in ending.handlers.items():
        parts += (_packed(name), behind_length(record))
    return b"".join(parts)


@lru_cache(maxsize=1000)
def _packed(name: str) -> bytes:
    """Return a name or a token, packed once for all events of a batch."""
    return behind_length(name.encode())


async def announce_stop(store: Store, worker: str) -> None:
    """Announce that a worker is about to stop, so that its leases never count as lapses of an event. Wake it up too."""
    async with store.redis.pipeline(transaction=False) as pipeline:
        pipeline.set(store.keys.draining(worker), b"1", px=DRAINING_IS_REMEMBERED)
        pipeline.rpush(store.keys.wake, "1")
        await pipeline.execute()


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _lease(store: Store, entry: list[Any], token: str, times: tuple[int, float, int]) -> Lease:
    event_id, flat = entry
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    record = parse_record(event_id.decode(), fields, store.encryption)
    now, at, uncertain_before = times
    turn = None if b"order" not in fields else read_turn(fields[b"turn"]) if b"turn" in fields else NOW
    return Lease(
        record, token, b"alone" in fields, now, at, uncertain=record.received_at <= uncertain_before, turn=turn
    )
