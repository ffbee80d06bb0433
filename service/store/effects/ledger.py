"""The ledger: the entry of each effect, written before its request leaves and when its answer has come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import orjson

from service.security.encryption import Form, MissingEncryptionKey, SealDamaged, Sealer, place_of
from service.store.facts.message_states import NotAllowed, SendConditions, conditions_argument, parse_refusal
from service.store.inbox.leases import Lease
from service.store.inbox.records import whole_number
from service.store.scripts import Argument
from service.store.store import Store

RESOLVED_ANSWER = b'{"data":{"id":null}}'
"""The answer to a handler about an effect that an operator has marked as sent."""

EntryState = Literal["started", "done", "refused", "withdrawn", "resolved", "forgotten", "would"]
EffectOutcome = Literal["done", "refused", "withdrawn", "deferred", "unknown"]


@dataclass(frozen=True, slots=True)
class Sent:
    """One request that left: its time, the status of its answer (0: none), and the time of that (ms)."""

    at: int
    status: int
    answered_at: int

    @property
    def took(self) -> int:
        """The milliseconds until the answer. Two workers' estimates of the server's clock may differ."""
        return max(0, self.answered_at - self.at)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer of Telnyx, in the ledger's form."""

    status: int
    content_type: str = ""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One effect. Times are milliseconds since 1970.

    `name` is the digest of its key. `caller_key` says that the caller gave the key: then it is the same effect for
    every event. `target` is the digest of method, path and recipient, by which calls are matched. `path` and
    `recipient` are for people, numbers masked. `digest` is that of the `body`, which is kept until an answer is.
    Read back, both digests have their stored form (`Sealer.forms`). `unread` says that the rest cannot be opened:
    `sealed_under` names the key that is missing. Without that name, the entry is damaged. `unconfirmed` counts
    requests that may or may not have taken effect. `generation` counts new keys that a person asked for. A `started`
    entry is in flight, or unresolved. `run` is the latest that had it in hand.
    """

    name: str
    event_id: str
    handler: str
    caller_key: bool
    method: str
    path: str
    recipient: str
    target: str
    content_type: str
    digest: str
    state: EntryState
    body: bytes | None = field(default=None, repr=False)
    version: int = 0
    generation: int = 0
    sends: int = 0
    unconfirmed: int = 0
    first_at: int = 0
    last_at: int = 0
    status: int = 0
    answer: StoredAnswer | None = None
    answered_at: int | None = None
    sent: tuple[Sent, ...] = ()
    why: str = ""
    run: str = ""
    unread: bool = False
    sealed_under: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The ledger's entry under a caller's own key. `busy` says that another live run has it in hand."""

    entry: Entry | None
    busy: bool


async def effects_of(store: Store, event_id: str) -> list[Entry]:
    """Return the effects of one event in order of their beginning, with those under callers' own keys."""
    answers = await store.run("effects", event_id)
    return [_entry(name.decode(), fields, store.encryption) for name, _, *fields in answers]


async def read_entry(store: Store, event_id: str, name: str, run_id: str) -> Found:
    """Return the entry of one effect of any event."""
    for _, busy, *fields in await store.run("effects", event_id, run_id, name):
        return Found(_entry(name, fields, store.encryption), busy == b"1")
    return Found(None, busy=False)


async def begin(
    store: Store,
    lease: Lease,
    entry: Entry,
    run_id: str,
    *,
    again: bool,
    keep: float,
    conditions: SendConditions | None = None,
) -> Literal["begun", "lost", "changed"] | NotAllowed:
    """Write the intent of a request: the stored one `again`, or this entry as a new one.

    `entry.version` is what the caller has seen. `keep` is the seconds that an entry under a caller's own key lives. A
    send that its `conditions` forbid is not written.

    Raises:
        redis.exceptions.RedisError: it is not known whether the intent is written. Nothing was sent.
    """
    kept = int(keep * 1000) if entry.caller_key else 0
    args: list[Argument] = [lease.record.id, lease.token, entry.name, entry.version, run_id, kept]
    args += (int(again), conditions_argument(conditions, store.encryption, only_asks=entry.state == "would"))
    answer: list[bytes] = await store.run(
        "effect_begin", *args, *([] if again else _new_fields(entry, store.encryption))
    )
    match answer:
        case [b"begun" | b"lost" | b"changed" as begun]:
            return begun.decode()  # type: ignore[return-value]
    return parse_refusal(answer)


async def end(
    store: Store, name: str, outcome: EffectOutcome, answer: StoredAnswer, *, sent_at: int, why: str, note: str
) -> tuple[str, int]:
    """Note what came of a request that left at `sent_at` (ms). Return its state, and how many are that are unresolved.

    `note` is random, and the same however often this is noted.

    Raises:
        redis.exceptions.RedisError: it is not known whether that is noted. Noting it again is harmless.
    """
    sealed = store.encryption.seal(answer.body, _place(name, "answer"))
    told: tuple[Argument, ...] = (outcome, sent_at, answer.status, answer.content_type, sealed)
    told = (*told, store.encryption.seal_text(why, _place(name, "why")), note, _short(name, answer, store.encryption))
    state, unconfirmed = await store.run("effect_end", name, *told)
    return state.decode(), unconfirmed


async def resolve(store: Store, event_id: str, word: Literal["sent", "not_sent"]) -> int:
    """Resolve the unresolved effects of one event as a person says. Return how many there were."""
    return int(await store.run("effects_resolve", event_id, word, RESOLVED_ANSWER))


async def forget(store: Store, event_id: str, handler: str, *, only_count: bool = False) -> int:
    """Let a handler's effects happen again, under new keys. Return how many."""
    return int(await store.run("effects_forget", event_id, handler, int(not only_count)))


def _place(name: str, field_name: str) -> bytes:
    return place_of("effect", name, field_name)


def _short(name: str, answer: StoredAnswer, sealer: Sealer) -> bytes:
    """Return the part of a sealed answer that outlives its body: the id. The script finds that in a plain answer."""
    if not sealer.active:
        return b""
    try:
        told = orjson.loads(answer.body)
    except ValueError:
        return b""
    data = told.get("data") if isinstance(told, dict) else None
    known = (data if isinstance(data, dict) else told if isinstance(told, dict) else {}).get("id")
    known = known if isinstance(known, str) else None
    # It takes the place of the answer.
    return sealer.seal(orjson.dumps({"data": {"id": known}, "id": known}), _place(name, "answer"))


def _new_fields(entry: Entry, sealer: Sealer) -> list[Argument]:
    """Return the fields of a new intent."""
    fields: dict[str, Argument] = {
        "event": entry.event_id,
        "handler": entry.handler,
        "caller_key": int(entry.caller_key),
        "method": entry.method,
        "path": sealer.seal_text(entry.path, _place(entry.name, "path")),
        "recipient": sealer.seal_text(entry.recipient, _place(entry.name, "recipient")),
        "target": _hidden(entry.target, sealer),
        "content_type": entry.content_type,
        "digest": _hidden(entry.digest, sealer),
        "state": entry.state,
        "generation": entry.generation,
    }
    if entry.body is not None:
        fields["bytes"] = sealer.seal(entry.body, _place(entry.name, "bytes"))
    if entry.answer is not None:
        kept = entry.answer
        sealed = sealer.seal(kept.body, _place(entry.name, "answer"))
        fields |= {"status": kept.status, "answer": sealed, "answer_type": kept.content_type}
        fields["redacted_answer"] = _short(entry.name, kept, sealer)
    return [part for pair in fields.items() for part in pair]


def _hidden(digest: str, sealer: Sealer) -> str:
    """Return the stored form of a digest. One that was read back has it already."""
    return digest if isinstance(digest, Form) else sealer.hide(digest)


_TEXTS = ("handler", "method", "content_type", "run")
_PRIVATE = ("path", "recipient", "why")
_NUMBERS = ("version", "generation", "sends", "unconfirmed", "first_at", "last_at", "status")


def _entry(name: str, flat: list[bytes], sealer: Sealer) -> Entry:
    fields = {each.decode(): value for each, value in zip(flat[::2], flat[1::2], strict=True)}
    # Nobody can say what a damaged entry has sent: its effect is dead, and no neighbour is harmed.
    unread, sealed_under, body, answer = _is_damaged(fields), None, None, None
    try:
        body = _open(name, "bytes", fields, sealer)
        answer = _open(name, "answer", fields, sealer)
    except MissingEncryptionKey as missing:
        unread, sealed_under = True, missing.key
    except SealDamaged:
        unread = True

    def text(field_name: str) -> str:
        return fields.get(field_name, b"").decode(errors="replace")

    read: dict[str, Any] = {each: text(each) for each in _TEXTS}
    read |= {each: sealer.open_text(text(each), _place(name, each)) for each in _PRIVATE}
    read |= {each: whole_number(fields.get(each)) or 0 for each in _NUMBERS}
    return Entry(
        name=name,
        event_id=text("event"),
        caller_key=text("caller_key") == "1",
        target=Form(text("target")),
        digest=Form(text("digest")),
        state=text("state"),  # type: ignore[arg-type]
        body=body,
        answer=None if answer is None else StoredAnswer(read["status"], text("answer_type"), answer),
        answered_at=whole_number(fields.get("answered_at")) or None,
        sent=tuple(filter(None, map(_sent, text("sent").split(";")))),
        unread=unread,
        sealed_under=sealed_under,
        **read,
    )


def _open(name: str, field_name: str, fields: Mapping[str, bytes], sealer: Sealer) -> bytes | None:
    return sealer.open(fields[field_name], _place(name, field_name)) if field_name in fields else None


def _is_damaged(fields: Mapping[str, bytes]) -> bool:
    """Return whether a field that decides about the next request of an entry cannot be read."""
    states = {each.encode() for each in get_args(EntryState)}
    return fields.get("state") not in states or any(
        each in fields and whole_number(fields[each]) is None for each in _NUMBERS
    )


def _sent(text: str) -> Sent | None:
    numbers = [whole_number(each.encode()) for each in text.split()[:3]]
    known = [each for each in numbers if each is not None]
    return Sent(*known) if len(known) == len(numbers) == 3 else None
