"""The inbox: accepting events, once each, and looking at what became of them."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import orjson

from service.events import Envelope, InvalidBody, read_event
from service.events.consent import ConsentChange
from service.events.message import MessageStatus
from service.events.nested_json import dump_json
from service.events.other_party import other_number
from service.security.encryption import Sealer
from service.security.numbers import DIGEST_BYTES, digests
from service.security.telnyx_signature import SignatureHeaders
from service.store.facts.consent import encode_words
from service.store.facts.message_states import DEFAULT_KEEP, encode_status
from service.store.inbox.order import number_digests
from service.store.inbox.records import EventRecord, body_place, encode_source, parse_record, whole_number
from service.store.scripts import is_script_error
from service.store.store import Store, behind_length

CONTENT_IS_REMEMBERED = 3_600_000
"""Milliseconds for which an event without an id is a duplicate of an equal one. Later a status may come again."""

MOST_IDS = 3
"""Ids in a body by which its event is found."""
_ID = re.compile(rb'"id"\s*:\s*"([^"\\]{8,128})"')
PAGE = 500
"""Records that one script may look at."""

FROM_TELNYX = frozenset({"webhook", "failover", "healed"})
"""Ways of arrival whose events tell the state of a message. The payload of a derived event is an old snapshot."""


StartTrace = Callable[[str, str, str], str | None]
"""Returns the trace of a new event by its type, identity and `arrived_by`, or None where it is not sampled."""
trace_in_run: ContextVar[StartTrace | None] = ContextVar("trace_in_run", default=None)
"""Starts the traces of events that the current run raises. None without traces."""
traces_of_process: list[StartTrace] = []
"""Starts those of periodic and healed events, which no run raises. No context variable, since any task raises some."""


@contextmanager
def starting_traces(start: StartTrace) -> Iterator[None]:
    """Start the traces of periodic and healed events so, until the block ends."""
    traces_of_process.append(start)
    try:
        yield
    finally:
        traces_of_process.remove(start)


class NewEvent(NamedTuple):
    """An event to accept. `delay` (milliseconds) is how long it waits until handlers may see it.

    `words` are what it says about consent, `message` the state of its message. Both are kept in the
    same step, the state for `keep` seconds. `signature` is given where the headers that prove the body are to be kept
    beside it. `occurred_at` is the event's own time, where it bears one. `trace` is the `traceparent` of its
    trace, where traces are on, and behind a space the caller's `tracestate`. `payload` is that of the body, where
    it was parsed.
    """

    identity: str
    type: str
    body: bytes
    arrived_by: str
    delay: int = 0
    remember: int = 0
    words: tuple[ConsentChange, ...] = ()
    message: MessageStatus | None = None
    keep: float = DEFAULT_KEEP
    signature: SignatureHeaders | None = None
    occurred_at: datetime | None = None
    trace: str | None = None
    payload: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        return f"NewEvent(identity={self.identity!r}, type={self.type!r})"

    @classmethod
    def derived(
        cls, identity: str, event_type: str, payload: object, arrived_by: str, *, at: float | None, delay: int = 0
    ) -> "NewEvent":
        """Return an event of Ringback's own that occurs at `at`, in seconds since 1970, or at no known time."""
        occurred_at = None if at is None else datetime.fromtimestamp(at, UTC)
        data = {"record_type": "event", "id": identity, "event_type": event_type, "occurred_at": occurred_at}
        body = dump_json({"data": {**data, "payload": payload}})
        return cls(identity, event_type, body, arrived_by, delay=delay).traced()

    def traced(self) -> "NewEvent":
        """Return an event with a trace of its own, where traces are on and it is sampled."""
        start = trace_in_run.get() or next(reversed(traces_of_process), None)
        return self if start is None else self._replace(trace=start(self.type, self.identity, self.arrived_by))

    @classmethod
    def from_envelope(
        cls,
        envelope: Envelope,
        body: bytes,
        arrived_by: str,
        *,
        signature: SignatureHeaders | None = None,
        keep: float = DEFAULT_KEEP,
    ) -> "NewEvent":
        """Return what a webhook brings. The state of its message is kept for `keep` seconds."""
        return cls(
            envelope.identity,
            envelope.type,
            body,
            arrived_by,
            remember=CONTENT_IS_REMEMBERED if envelope.by_content else 0,
            words=envelope.words,
            message=envelope.message if arrived_by in FROM_TELNYX else None,
            keep=keep,
            signature=signature,
            occurred_at=envelope.occurred_at,
            payload=envelope.payload,
        )

    def number_digests(self, encryption: Sealer) -> bytes:
        """Return the digests of the other party's number, which name its place in order. Empty where it is unknown."""
        try:
            payload = self.payload or read_event(self.identity, self.type, self.body, self.arrived_by).payload
        except InvalidBody:
            return b""
        return number_digests(other_number(self.type, payload), encryption)


class Acceptance(NamedTuple):
    """The outcome of an arrival, and the id of its event's record."""

    status: Literal["accepted", "duplicate", "cancelled"]
    event_id: str


@dataclass(frozen=True, slots=True)
class Counts:
    """The counters. `accepted` should be the sum of the others."""

    accepted: int = 0
    done: int = 0
    ignored: int = 0
    dead: int = 0
    open: int = 0


async def accept(store: Store, arrivals: Sequence[NewEvent]) -> list[Acceptance]:
    """Make events durable and queue them, in one atomic step.

    Raises:
        redis.exceptions.RedisError: it is not known whether they are stored. Accepting them again is harmless.
    """
    encryption = store.encryption
    packed = [pack_event(each, encryption, number=each.number_digests(encryption)) for each in arrivals]
    return (await accept_packed(store, packed))[0]


async def accept_packed(store: Store, arrivals: Sequence[bytes]) -> tuple[list[Acceptance], list[bytes] | None]:
    """Do what `accept` does with what `pack_event` returned.

    Return too the event types (patterns) whose events are to come with digests of their number. None if that is not
    known. Those that come without wait for the worker that computes them.

    Raises:
        redis.exceptions.RedisError: it is not known whether they are stored. Accepting them again is harmless.
    """
    answers, types, *_ = await store.run("accept", *arrivals)
    return [Acceptance(status.decode(), event_id.decode()) for status, event_id in answers], types


def pack_event(
    arrival: NewEvent, encryption: Sealer, *, attempts: tuple[int, int] | None = None, number: bytes = b""
) -> bytes:
    """Return an event as one argument of a script.

    A healed event brings the times (ms) of the first and the last attempt to deliver it. `number` are its
    `number_digests`, where its type is ordered by number.
    """
    more: dict[str, Any] = {} if attempts is None else {"first_at": attempts[0], "last_at": attempts[1]}
    if arrival.trace is not None:
        more["trace"] = arrival.trace
    if arrival.delay:
        more["delay"] = arrival.delay
    if arrival.remember:
        more["remember"] = arrival.remember
    if arrival.words:
        more["words"] = encode_words(arrival.words, encryption)
    if arrival.message is not None:
        more["message"] = encode_status(arrival.message, encryption, keep=arrival.keep)
    source = encode_source(arrival.arrived_by, arrival.signature)
    return pack(arrival.identity, arrival.type, source, arrival.body, more=more, encryption=encryption, number=number)


def pack(
    identity: str,
    event_type: str,
    source: str,
    body: bytes,
    *,
    more: Mapping[str, Any],
    encryption: Sealer,
    number: bytes = b"",
) -> bytes:
    """Return one argument with an event's index terms, values for JSON and sealed body.

    `unpack_event` in `lua/lib/record.lua` reads it.
    """
    terms, values = index_terms(identity, event_type, body, encryption), orjson.dumps(more) if more else b""
    parts = (identity.encode(), event_type.encode(), source.encode(), terms, number, values)
    sealed = encryption.seal(body, body_place(identity)) if body else b""
    return b"".join([*map(behind_length, parts), sealed])


@lru_cache(maxsize=1024)
def type_digest(event_type: str) -> bytes:
    """Return the digest by which events of a type are found."""
    return hashlib.blake2b(event_type.encode(), digest_size=DIGEST_BYTES).digest()


def index_terms(identity: str, event_type: str, body: bytes, encryption: Sealer) -> bytes:
    """Return the digests by which an event is found: of its type, then of numbers and messages in its body."""
    messages = _message_digests(identity, body, encryption) if event_type.startswith("message.") else b""
    return type_digest(event_type) + digests(body, encryption) + messages


def message_digests(message_id: str, encryption: Sealer) -> tuple[bytes, ...]:
    """Return all digests that find events of a message: one for each key, and the one without a key."""
    return encryption.briefs(message_id.encode(), DIGEST_BYTES)


def _message_digests(identity: str, body: bytes, encryption: Sealer) -> bytes:
    """Return the digests of the first ids in a body but the event's own. One of them is the message's."""
    found = dict.fromkeys(_ID.findall(body)[:MOST_IDS])
    found.pop(identity.encode(), None)
    return b"".join([encryption.brief(each, DIGEST_BYTES) for each in found])


async def cancel(store: Store, event_id: str, *, remember: int) -> None:
    """Cancel a scheduled event that has not begun. The cancellation of a later one is kept for `remember` ms."""
    await store.run("cancel", event_id, remember)


async def find(store: Store, event_id: str) -> EventRecord | None:
    """Return the record of one event, or None where none is remembered."""
    return next(iter(await find_all(store, [event_id])), None)


async def find_all(store: Store, ids: Sequence[str]) -> list[EventRecord]:
    """Return whole records of events, bodies too. Unknown events are left out."""
    async with store.redis.pipeline(transaction=False) as pipe:
        for event_id in ids:
            pipe.hgetall(store.keys.event(event_id))
        answers = await pipe.execute(raise_on_error=False)
    return [_record(event_id, each, store.encryption) for event_id, each in zip(ids, answers, strict=True) if each]


def _record(event_id: str, answer: Mapping[bytes, bytes] | Exception, encryption: Sealer) -> EventRecord:
    """Read one answer to HGETALL. A key that holds no hash is an unreadable record.

    Raises:
        redis.exceptions.RedisError: the server refused.
    """
    if not isinstance(answer, Exception):
        return parse_record(event_id, answer, encryption)
    if not is_script_error(answer):
        raise answer
    return parse_record(event_id, {}, encryption)


async def counts(store: Store) -> Counts:
    """Return the counters."""
    stored: Mapping[bytes, bytes] = await store.redis.hgetall(store.keys.counts)  # type: ignore[misc]
    known = {name.decode(errors="replace"): value for name, value in stored.items()}
    return Counts(**{each.name: whole_number(known.get(each.name)) or 0 for each in dataclass_fields(Counts)})


async def summaries(store: Store, ids: Sequence[str]) -> list[EventRecord]:
    """Return the records of events, without bodies. Unknown events are left out."""
    pages = [ids[start : start + PAGE] for start in range(0, len(ids), PAGE)]
    answers = [answer for page in pages for answer in await store.run("summaries", *page)]
    return [
        parse_record(event_id, dict(zip(fields[::2], fields[1::2], strict=True)), store.encryption)
        for event_id, fields in zip(ids, answers, strict=True)
        if fields
    ]
