"""Entries of the ledger and recipients of messages, as Redis keeps them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from service.events.consent import ConsentChange
from service.security.encryption import PLAIN, EncryptionKey, Sealer
from service.store.effects import ledger
from service.store.effects.ledger import Entry, Sent, StoredAnswer
from service.store.facts import message_status, recipients
from service.store.facts.message_status import is_delivered
from service.store.facts.recipients import KnownMessage, KnownRecipient
from service.store.inbox.accept import NewEvent
from service.store.store import Store
from tests.pending import pending
from tests.store.half_way import T, new_world

SEALER = Sealer((EncryptionKey(b"k" * 32),))
WHOLE = {
    "event": "one",
    "handler": "greet",
    "caller_key": "1",
    "method": "POST",
    "path": "/messages",
    "recipient": "+1•••",
    "target": "p:t",
    "content_type": "application/json",
    "digest": "p:d",
    "state": "started",
    "bytes": "{}",
    "version": 3,
    "generation": 1,
    "sends": 2,
    "unconfirmed": 1,
    "first_at": 5,
    "last_at": 6,
    "status": 202,
    "answer": "[]",
    "answer_type": "text/plain",
    "answered_at": 9,
    "sent": "5 0 7;6 202 9;",
    "why": "w",
    "run": "r",
}


def read(fields: Mapping[str, Any], sealer: Sealer = PLAIN) -> Entry:
    flat = [
        part
        for name, each in fields.items()
        for part in (name.encode(), each if isinstance(each, bytes) else str(each).encode())
    ]
    return ledger._entry("e", flat, sealer)


def test_a_whole_entry_is_read() -> None:
    assert read(WHOLE) == Entry(
        *("e", "one", "greet"),
        caller_key=True,
        method="POST",
        path="/messages",
        recipient="+1•••",
        target="p:t",
        content_type="application/json",
        digest="p:d",
        state="started",
        body=b"{}",
        version=3,
        generation=1,
        sends=2,
        unconfirmed=1,
        first_at=5,
        last_at=6,
        status=202,
        answer=StoredAnswer(202, "text/plain", b"[]"),
        answered_at=9,
        sent=(Sent(5, 0, 7), Sent(6, 202, 9)),
        why="w",
        run="r",
    )


def test_an_entry_that_says_little_is_read_too() -> None:
    entry = read({"state": "withdrawn"})
    assert (entry.event_id, entry.caller_key, entry.body, entry.answer, entry.answered_at) == (
        "",
        False,
        None,
        None,
        None,
    )
    assert (entry.version, entry.sent, entry.unread, entry.sealed_under) == (0, (), False, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "odd"},
        *({name: "x"} for name in ("version", "generation", "sends", "unconfirmed", "first_at", "status")),
    ],
)
def test_an_entry_that_does_not_say_what_was_sent_is_unread(changes: dict[str, str]) -> None:
    assert read(WHOLE | changes).unread
    assert read({}).unread


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("5 0 7", (Sent(5, 0, 7),)), ("5 0;x 0 7;5 x 7;5 0 7 8;;", (Sent(5, 0, 7),)), ("", ())],
)
def test_only_whole_requests_are_told(sent: str, expected: tuple[Sent, ...]) -> None:
    assert read(WHOLE | {"sent": sent}).sent == expected
    assert (Sent(5, 0, 7).took, Sent(7, 0, 7).took, Sent(8, 0, 7).took) == (2, 0, 0)


def test_an_entry_under_a_missing_key_names_it_and_a_damaged_one_does_not() -> None:
    place = ledger._place("e", "bytes")
    sealed = WHOLE | {"bytes": SEALER.seal(b"{}", place)}
    assert read(sealed, SEALER).body == b"{}"
    under = read(sealed)
    assert (under.unread, under.sealed_under, under.body) == (True, SEALER.names[0], None)
    moved = read(WHOLE | {"answer": SEALER.seal(b"[]", place)}, SEALER)
    assert (moved.unread, moved.sealed_under, moved.answer) == (True, None, None)


@pytest.mark.parametrize(
    ("body", "known"),
    [
        (b'{"data":{"id":"x"},"id":"y"}', "x"),
        (b'{"data":[],"id":"y"}', "y"),
        (b'{"data":{"id":7}}', None),
        (b"[]", None),
        (b"{}", None),
    ],
)
def test_of_a_sealed_answer_the_id_outlives_the_body(body: bytes, known: str | None) -> None:
    answer = StoredAnswer(200, "application/json", body)
    assert ledger._short("e", answer, PLAIN) == b""
    stored = ledger._short("e", answer, SEALER)
    told = orjson.loads(SEALER.open(stored, ledger._place("e", "answer")))
    assert told == {"data": {"id": known}, "id": known}
    assert ledger._short("e", StoredAnswer(200, "text/plain", b"odd"), SEALER) == b""


@pytest.mark.parametrize("sealer", [PLAIN, SEALER])
def test_a_new_intent_is_written_as_it_is_read(sealer: Sealer) -> None:
    entry = replace(
        read(WHOLE), version=0, sends=0, unconfirmed=0, first_at=0, last_at=0, answered_at=None, sent=(), why="", run=""
    )
    flat: list[Any] = ledger._new_fields(entry, sealer)
    fields: dict[str, Any] = dict(zip(flat[::2], flat[1::2], strict=True))
    assert read(fields, sealer) == entry
    assert (fields["redacted_answer"] == b"") is (sealer is PLAIN)
    bare = ledger._new_fields(replace(entry, body=None, answer=None), sealer)
    assert not {"bytes", "answer", "answer_type", "status", "redacted_answer"} & set(bare[::2])
    new: list[Any] = ledger._new_fields(replace(entry, target="t", digest="d"), sealer)
    told: dict[str, Any] = dict(zip(new[::2], new[1::2], strict=True))
    assert (told["target"], told["digest"]) == (sealer.hide("t"), sealer.hide("d"))


@pytest.fixture
def store(server: "Redis") -> Store:
    return Store(server, new_world(server).keys.namespace, PLAIN)


@pytest.mark.anyio
async def test_recipients_are_known_by_their_fields(store: Store) -> None:
    hidden = SEALER.hide("+13125550143")
    fields = {
        "type:RCS": "1",
        "type:SMS": "1",
        "of": "2",
        "status:p:+13125550142": "delivered",
        "carrier:p:+13125550142": "AT&T",
        "right:p:+13125550142": "one",
        "held:p:+13125550142": "7",
        "sent:p:+13125550142": "two",
        "double_delivery:p:+13125550142": "1",
        f"status:{hidden}": "sent",
        f"held:{hidden}": "x",
        "unreadable:one": "read",
    }
    await pending(store.redis.hset(store.keys.message("m"), mapping=fields))
    both = Store(store.redis, store.namespace, SEALER)
    first = KnownRecipient("+13125550142", "delivered", "AT&T", "one", 7, "two", has_both=True)
    second = KnownRecipient("+13125550143", "sent", "", "", None, "", has_both=False)
    for deployment, named, number in ((both, ["+13125550143"], "+13125550143"), (both, [], None), (store, [], None)):
        known = await recipients.known_message(deployment, "m", named)
        assert known.types == ("RCS", "SMS")
        assert sorted(each.number or "" for each in known.recipients) == sorted(["+13125550142", number or ""])
        assert first in known.recipients
    assert second in (await recipients.known_message(both, "m", ["+13125550143"])).recipients
    assert await recipients.known_message(store, "none", []) == KnownMessage((), ())
    assert repr(first) == "KnownRecipient(status='delivered')"


@pytest.mark.parametrize(
    ("source", "at", "event", "is_reading"),
    [
        (b"sent 7500 one", 7.5, "one", False),
        (b"sent 7500 one two", 7.5, "one two", False),
        (b"sent - one", None, "one", False),
        (b"sent 7500 telnyx", 7.5, None, True),
        (b"sent 7500", 7.5, None, False),
        (b"", None, None, False),
    ],
)
def test_the_source_of_a_status_is_told(
    source: bytes, at: float | None, event: str | None, *, is_reading: bool
) -> None:
    [told] = message_status._parse([[b"m", b"RCS,SMS", [b"p:+1", b"sent", source, b"AT&T", b"two", b"9"]]], None)
    assert (told.message_id, told.types, told.number, told.status) == ("m", ("RCS", "SMS"), "+1", "sent")
    assert (told.at, told.event, told.is_reading, told.carrier, told.instead) == (at, event, is_reading, "AT&T", "two")
    [bare] = message_status._parse([[b"m", b"", [b"h:k:x", b"", b"", b"", b"", b""]]], None)
    assert (bare.types, bare.number, bare.status, bare.carrier, bare.instead) == ((), None, "unknown", None, None)
    [named] = message_status._parse([[b"m", b"", [b"h:k:x", b"read", b"", b"", b"", b""]]], "+7")
    assert (named.number, named.delivered) == ("+7", True)


def test_a_status_says_whether_the_message_came_and_nothing_shows_a_number() -> None:
    assert [is_delivered(each) for each in ("delivered", "read", "delivery_failed", "sent", "odd")] == [
        True,
        True,
        False,
        None,
        None,
    ]
    number = "+13125550142"
    shown = (
        NewEvent("one", "test.x", number.encode(), "webhook", words=(ConsentChange(number, "out", None),)),
        *message_status._parse([[b"m", b"", [f"p:{number}".encode(), b"sent", b"", b"", b"", b""]]], None),
    )
    assert [repr(each) for each in shown] == [
        "NewEvent(identity='one', type='test.x')",
        "MessageRecipient(message_id='m', status='sent')",
    ]


@pytest.mark.anyio
@pytest.mark.parametrize(("state", "busy"), [("started", True), ("done", False)])
async def test_only_a_request_under_way_is_in_the_hands_of_another_run(
    server: "Redis", state: str, *, busy: bool
) -> None:
    world = new_world(server)
    lease = {"state": "open", "lease": "w:1", "lease_until": T + 1}
    await pending(world.redis.hset(world.keys.event("one"), mapping=lease))
    held = {**WHOLE, "state": state, "holder": "one", "token": "w:1"}
    await pending(world.redis.hset(f"{world.keys.namespace}:effect:e", mapping=held))
    assert (await ledger.read_entry(world.store, "two", "e", "another")).busy == busy
    assert not (await ledger.read_entry(world.store, "one", "e", "r")).busy
