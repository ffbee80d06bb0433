"""The story of an event: from what is kept to what a person reads, in order and to the millisecond."""

import json
from dataclasses import replace
from typing import Any

import pytest

from service.dashboard.timeline import Line, _span, build, in_doubt
from service.store.effects.ledger import Entry, Sent, StoredAnswer
from service.store.inbox.handler_records import MOST_RUNS, HandlerRecord, RunRecord
from service.store.inbox.records import Delivery, EventRecord, Note

T = 1_763_785_000_000


def event(**changes: Any) -> EventRecord:
    body = {"data": {"occurred_at": "2025-11-22T04:16:39.500+00:00", "payload": {}}}
    record = EventRecord("e1", "message.received", "open", T, "webhook", 1, json.dumps(body).encode(), {})
    return replace(record, **changes)


def effect(**changes: Any) -> Entry:
    entry = Entry("n", "e1", "greet", False, "POST", "/messages", "+1312•••0001", "t", "application/json", "d", "done")
    return replace(entry, first_at=T + 5, last_at=T + 5, **changes)


def texts(lines: list[Line]) -> list[tuple[int, str | None, str]]:
    return [(line.at - T, line.handler, line.text) for line in lines]


def test_an_event_that_went_well_from_its_occurrence_to_its_end() -> None:
    run = RunRecord(T + 4, T + 95, "done", "nothing_to_say")
    record = event(
        state="done", ended_at=T + 96, handlers={"greet": HandlerRecord("done", runs=(run,), ended_at=T + 95)}
    )
    sent = effect(sent=(Sent(T + 6, 200, T + 90),), status=200)
    assert texts(build(record, [sent], T + 1000)) == [
        (-500, None, "occurred (per Telnyx)"),
        (0, None, "accepted"),
        (90, "greet", "POST /messages for +1312•••0001: answered 200 after 84 ms"),
        (95, "greet", "ran: done (nothing_to_say), after 91 ms"),
        (96, None, "done"),
    ]


def test_a_first_request_under_way_is_no_doubt_until_the_lease_ends() -> None:
    asked = effect(state="started", unconfirmed=1, sends=1)
    leased = event(leased_until=T + 15_000)
    assert (5, "greet", "POST /messages for +1312•••0001: no answer yet") in texts(build(leased, [asked], T + 100))
    [doubt] = [text for _, name, text in texts(build(leased, [asked], T + 15_000)) if name == "greet"]
    assert "nobody knows whether it took effect" in doubt


def test_further_deliveries_are_told_and_those_beyond_are_counted() -> None:
    record = event(deliveries=5, again=(Delivery(T + 10, "webhook"), Delivery(T + 20, "failover")))
    told = texts(build(record, [], T + 30))
    assert (10, None, "delivered once more, by webhook: a duplicate") in told
    assert (20, None, "delivered once more, by failover: a duplicate") in told
    assert (20, None, "delivered 2 more times, without details") in told


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"state": "started", "unconfirmed": 1, "sends": 1},
            "nobody knows whether it took effect, unconfirmed requests: 1",
        ),
        ({"state": "started", "unconfirmed": 0}, "it has not happened, and the same is to be sent again"),
        ({"state": "withdrawn", "why": "ConnectError"}, "intended, and not sent (ConnectError)"),
        ({"state": "resolved", "answered_at": T + 50}, "took effect, says an operator"),
        ({"state": "started", "unconfirmed": 1, "sent": (Sent(T, 0, T + 9),)}, "no answer within 9 ms"),
        (
            {"state": "refused", "sent": (Sent(T, 403, T + 9),), "why": "403 · 40300", "answer": StoredAnswer(403)},
            "answered 403 after 9 ms: 403 · 40300",
        ),
        (
            {"state": "would", "body": json.dumps({"text": "hello", "from": "+13125550199"}).encode()},
            "would POST /messages for +1312•••0001, a text of 5 characters in 1 segments, from +1312•••0199",
        ),
        ({"event_id": "e2", "sent": (Sent(T, 200, T + 1),)}, "(begun by event e2): answered 200"),
    ],
    ids=["in doubt", "put off", "withdrawn", "resolved", "no answer", "refused", "dry run", "another event's"],
)
def test_what_is_known_of_an_effect(changes: dict[str, Any], words: str) -> None:
    lines = build(event(), [effect(**changes)], T + 100)
    assert any(words in line.text for line in lines if line.kind == "effect"), lines
    assert in_doubt(effect(**changes)) == ("unconfirmed" in words or "no answer" in words)


def test_a_handler_that_waits_says_why_and_until_when() -> None:
    handlers = {
        "late": HandlerRecord("waiting", due=T + 90_000, reason="rate_limit"),
        "held": HandlerRecord("parked", due=T + 500, reason="credentials", blocked_by="credentials"),
        "next": HandlerRecord(),
    }
    told = {line.handler: line.text for line in build(event(handlers=handlers), [], T + 30_000)}
    assert told["late"] == "will retry in 1 min 0 s (rate_limit)"
    assert told["held"] == "held by credentials (credentials)"
    assert told["next"] == "is due"


def test_a_long_history_says_that_it_is_not_whole() -> None:
    runs = tuple(RunRecord(T + n, T + n, "waiting", "error") for n in range(MOST_RUNS))
    told = [line.text for line in build(event(handlers={"greet": HandlerRecord("waiting", runs=runs)}), [], T)]
    assert "ran more often, and only the first and the last runs are kept" in told


def test_an_ending_without_a_run_is_told() -> None:
    dead = HandlerRecord("dead", reason="killed_worker", error="its worker vanished", ended_at=T + 7)
    told = texts(build(event(handlers={"greet": dead}, notes=(Note(T + 7, "suspect_died"),)), [], T + 8))
    assert (7, "greet", "dead (killed_worker): its worker vanished") in told


def test_what_persons_and_workers_did_is_told() -> None:
    notes = (
        Note(T + 1, "lapsed", {"worker": "w1"}),
        Note(T + 2, "worker_returned", {"worker": "w1"}),
        Note(T + 3, "retried", {"greet": "ValueError", "thank": ""}),
        Note(T + 4, "released", {"block": "credentials"}),
        Note(T + 5, "a note of a later version"),
    )
    told = [line.text for line in build(event(notes=notes), [], T)]
    assert "retried by an operator: greet (ValueError), thank" in told
    assert "set free: credentials is over" in told
    assert any("vanished (w1)" in text for text in told)
    assert "a note of a later version" in told


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1.0 s"),
        (59_900, "59.9 s"),
        (302_000, "5 min 2 s"),
        (25_920_000, "7 h 12 min"),
        (183_600_000, "2 d 3 h"),
    ],
)
def test_durations_in_words(milliseconds: int, words: str) -> None:
    assert _span(milliseconds) == words
