"""The records of handlers and events, as Redis keeps them and as people read them."""

from typing import Any

import orjson
import pytest

from service.security.encryption import PLAIN, EncryptionKey, Sealer
from service.store.inbox.handler_records import MOST_RUNS, HandlerRecord, RunRecord
from service.store.inbox.records import Delivery, EventRecord, Note, body_place, parse_record
from service.store.inbox.silence import Silence

RUN = {"began": 1, "ended": 2, "outcome": "waiting", "reason": "r", "error": "e", "times": 3, "remarks": ["a", "b"]}


def run(began: int, outcome: Any = "waiting", *remarks: str, **fields: Any) -> RunRecord:
    return RunRecord(began, began + 1, outcome, remarks=remarks, **fields)


@pytest.mark.parametrize(
    ("earlier", "later", "joined"),
    [
        (run(1), run(5), RunRecord(1, 6, "waiting", times=2)),
        (run(1, "parked", times=4), run(5, "parked", times=2), RunRecord(1, 6, "parked", times=6)),
        (run(1, "waiting", "told"), run(5), RunRecord(1, 6, "waiting", times=2, remarks=("told",))),
        (run(1), run(5, "waiting", "told"), None),
        (run(1, "dead"), run(5, "dead"), None),
        (run(1, "done"), run(5, "done"), None),
        (run(1), run(5, "parked"), None),
        (run(1, reason="a"), run(5, reason="b"), None),
        (run(1, error="a"), run(5, error="b"), None),
    ],
)
def test_two_runs_are_one_where_both_waited_for_the_same(
    earlier: RunRecord, later: RunRecord, joined: RunRecord | None
) -> None:
    assert earlier.joined(later) == joined


def test_a_record_counts_its_runs_and_keeps_the_first_and_the_last() -> None:
    record = HandlerRecord("waiting", attempts=2)
    for began in range(MOST_RUNS + 5):
        record = record.after(run(began, "waiting" if began % 2 else "parked"), ran=began != 3)
    assert record.ran == record.runs_counted == MOST_RUNS + 4
    kept = [each.began for each in record.runs]
    assert kept == [*range(MOST_RUNS // 2), *range(MOST_RUNS // 2 + 5, MOST_RUNS + 5)]
    assert record.after(run(99, "parked")).runs[-1].times == 2
    assert len(record.after(run(99, "parked")).runs) == MOST_RUNS
    assert (record.state, record.attempts) == ("waiting", 2)


@pytest.mark.parametrize(
    ("record", "ended", "discarded", "counted"),
    [
        (HandlerRecord("done"), True, False, 0),
        (HandlerRecord("done", reason="not_ours", attempts=4), True, True, 4),
        (HandlerRecord("dead", reason="error", ran=3, attempts=2), True, False, 3),
        (HandlerRecord("parked", reason="outage"), False, False, 0),
        (HandlerRecord(), False, False, 0),
    ],
)
def test_what_a_record_says(record: HandlerRecord, ended: bool, discarded: bool, counted: int) -> None:  # noqa: FBT001 # a table
    assert (record.ended, record.is_discarded, record.runs_counted) == (ended, discarded, counted)


@pytest.mark.parametrize("record", [HandlerRecord(), HandlerRecord("done", due=5, reason="r", runs=(run(1),), ran=1)])
def test_a_record_comes_back_as_it_was(record: HandlerRecord) -> None:
    assert HandlerRecord.from_json(record.to_json()) == record


def test_fields_with_their_defaults_take_no_room() -> None:
    assert HandlerRecord("dead", reason="r").to_json() == b'{"state":"dead","reason":"r"}'
    assert HandlerRecord().to_json() == b'{"state":"pending"}'


def test_what_cannot_be_read_of_a_history_is_left_out() -> None:
    told = {
        "state": "waiting",
        "due": 5.0,
        "attempts": 2,
        "reason": 7,
        "waits": True,
        "later": 1,
        "waiting_since": 9.0,
        "runs": [RUN, {**RUN, "outcome": "odd"}, {"began": 1}, "run", {**RUN, "remarks": ["a", 1], "error": 5}],
    }
    record = HandlerRecord.from_json(orjson.dumps(told))
    assert (record.due, type(record.due), record.attempts) == (5, int, 2)
    assert (record.reason, record.waits, record.waiting_since) == (None, 0, 9)
    assert record.runs == (
        RunRecord(1, 2, "waiting", "r", "e", 3, ("a", "b")),
        RunRecord(1, 2, "waiting", "r", None, 3, ("a",)),
    )
    assert HandlerRecord.from_json(b'{"state":"done","runs":{"began":1}}') == HandlerRecord("done")
    assert RunRecord.from_told({**RUN, "remarks": "a"}) == RunRecord(1, 2, "waiting", "r", "e", 3)


@pytest.mark.parametrize(
    "text", [b"[]", b"5", b"{}", b'{"state":"odd"}', b'{"state":"done","due":"x"}', b'{"state":"done","attempts":null}']
)
def test_a_record_that_does_not_say_what_comes_next_is_damaged(text: bytes) -> None:
    with pytest.raises(ValueError, match="it is no record of a handler"):
        HandlerRecord.from_json(text)


def test_only_texts_are_sealed_and_each_for_its_place() -> None:
    sealer = Sealer((EncryptionKey(b"k" * 32),))
    runs = (run(1, "dead", "told", "more", error="failed"), run(2, "dead", "told"), run(3, error="failed"), run(4))
    for record in (HandlerRecord("dead", error="failed"), HandlerRecord("dead", runs=runs), HandlerRecord("done")):
        sealed = record.sealed(sealer, "one", "greet")
        assert not any(word in sealed.to_json() for word in (b"failed", b"told", b"more"))
        assert sealed.opened(sealer, "one", "greet") == record
        moved = sealed.opened(sealer, "two", "greet")
        assert (moved == record) is (record == HandlerRecord("done"))
    assert HandlerRecord("dead", runs=runs).sealed(sealer, "one", "greet").runs[3] == run(4)


def parsed(**fields: Any) -> EventRecord:
    known = {"type": "test.x", "state": "open", "received_at": "5"} | fields
    stored = {name.encode(): each if isinstance(each, bytes) else str(each).encode() for name, each in known.items()}
    return parse_record("one", stored, PLAIN)


def test_a_record_that_says_little_is_one_that_a_webhook_brought_once() -> None:
    record = parsed()
    assert (record.arrived_by, record.deliveries, record.received_at, record.ended_at) == ("webhook", 1, 5, None)
    assert (record.due, record.again, record.notes, record.leased_until) == (None, (), (), None)
    assert (record.imported, record.unsealed, record.damaged, record.trace) == (False, False, frozenset(), None)
    assert (record.body, record.handlers, record.signature_headers, record.blocked) == (None, {}, None, {})


def test_all_fields_of_a_record_are_read() -> None:
    record = parsed(
        arrived_by="heal 17 abc",
        deliveries=3,
        ended_at=9,
        due="7.5",
        again="6 webhook;x webhook;8;",
        notes='{"at":1.0,"what":"w","about":{"a":"b","c":1},"by":"ann"}\n{"at":"x","what":"w"}\nodd\n{"at":2,"what":"v"}',
        lease_until=11,
        imported=1,
        body=b"{}",
        blocked='{"greet":"place"}',
        trace="t",
        handlers='["greet","late"]',
        **{"h:greet": '{"state":"done"}', "h:other": '{"state":"dead"}'},
    )
    assert (record.arrived_by, record.deliveries, record.ended_at, record.due) == ("heal", 3, 9, 7)
    assert list((record.signature_headers or {}).values()) == ["17", "abc"]
    assert record.again == (Delivery(6, "webhook"), Delivery(8, ""))
    assert record.notes == (Note(1, "w", {"a": "b"}, "ann"), Note(2, "v"))
    assert (record.leased_until, record.imported, record.body) == (11, True, b"{}")
    assert (record.blocked, record.trace) == ({"greet": "place"}, "t")
    assert record.handlers == {"greet": HandlerRecord("done"), "late": HandlerRecord()}
    assert record.damaged == frozenset()


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("state", "odd", {"state": "open"}),
        ("type", b"\xff", {"type": "ringback.unreadable_record"}),
        ("received_at", "x", {"received_at": 0}),
        ("deliveries", "x", {"deliveries": 0}),
        ("ended_at", "x", {"ended_at": None}),
        ("due", "inf", {"due": None}),
        ("due", "x", {"due": None}),
        ("lease_until", "x", {"leased_until": None}),
        ("handlers", "7", {"handlers": {}}),
        ("handlers", "[7]", {"handlers": {}}),
        ("pruned", "[]", {"handlers": {}}),
        ("pruned", '{"a":7}', {"handlers": {}}),
    ],
)
def test_a_field_that_cannot_be_read_is_named(field: str, value: Any, shown: dict[str, Any]) -> None:
    record = parsed(**{field: value})
    assert record.damaged == {field}
    assert {name: getattr(record, name) for name in shown} == shown


def test_unreadable_handlers_are_dead_and_known_by_their_fields() -> None:
    record = parsed(handlers="odd", **{"h:a": '{"state":"done"}', "h:b": "odd"})
    assert record.damaged == {"handlers", "b"}
    assert {name: (each.state, each.reason) for name, each in record.handlers.items()} == {
        "a": ("done", None),
        "b": ("dead", "unreadable"),
    }
    assert parsed(handlers="{}").handlers == {}


def test_a_pruned_record_says_how_its_handlers_ended() -> None:
    record = parsed(state="done", pruned='{"a":[2,"why","more"],"b":["3",""]}')
    assert record.handlers == {
        "a": HandlerRecord("done", attempts=2, reason="why"),
        "b": HandlerRecord("done", attempts=3),
    }
    assert record.damaged == frozenset()


@pytest.mark.parametrize(
    ("event_id", "damaged"),
    [
        ("one", False),
        ("one~test.x", False),
        ("one.57", False),
        ("one.x", True),
        ("one5", True),
        ("one.", True),
        ("on", True),
    ],
)
def test_a_sealed_body_belongs_to_its_own_event(event_id: str, *, damaged: bool) -> None:
    sealer = Sealer((EncryptionKey(b"k" * 32),))
    fields = {b"body": sealer.seal(b"{}", body_place("one")), b"identity": b"one", b"type": b"test.x"}
    record = parse_record(event_id, fields | {b"state": b"open", b"received_at": b"5"}, sealer)
    assert (record.damaged, record.body) == ((frozenset({"body"}), None) if damaged else (frozenset(), b"{}"))
    missing = parse_record("one", fields, PLAIN)
    assert (missing.sealed_under, missing.body) == (sealer.names[0], None)
    clear = parse_record("one", {b"body": b"{}"}, sealer)
    assert (clear.unsealed, record.unsealed, missing.unsealed) == (True, False, False)


def test_an_odd_source_is_a_webhook() -> None:
    assert parsed(arrived_by="").arrived_by == "webhook"
    assert parsed(blocked="[]").blocked == {}
    assert parsed(blocked="odd").blocked == {}
    assert body_place("one") != body_place("two")


HOUR = 3_600_000


@pytest.mark.parametrize(("uncertain", "warned"), [(HOUR - 1, False), (HOUR, True), (HOUR + 1, True)])
def test_a_silence_says_what_may_be_lost(uncertain: int, *, warned: bool) -> None:
    text = Silence(HOUR, 2 * HOUR, uncertain).description
    assert text.startswith("no worker ran from 1970-01-01 01:00 to 1970-01-01 02:00 UTC. If the data was restored")
    assert text.endswith("Sends of older events go dead as ambiguous, and you decide") is warned
