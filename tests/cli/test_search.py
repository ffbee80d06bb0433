"""The filters of `events list` and `dead list`: by number, handler, reason and time."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from service.security.encryption import PLAIN
from service.security.numbers import digests
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.maintenance import prune_bodies
from service.testing.samples import sample
from tests.cli.deployment import Deployment
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_sms


def ids(deployment: Deployment, *options: str, command: str = "events") -> list[str]:
    ran = deployment.run(command, "list", "--json", *options)
    assert ran.code == 0, ran.stderr
    return [event["id"] for event in json.loads(ran.stdout)]


def receive(deployment: Deployment, event_id: str, payload: Any, event_type: str = "message.received") -> None:
    body = orjson.dumps(envelope(event_type, payload))
    deployment.ask(lambda store: accept(store, [NewEvent(event_id, event_type, body, "webhook")]))


def test_a_number_is_found_wherever_it_stands_and_however_it_is_written(deployment: Deployment) -> None:
    number = fresh_number()
    receive(deployment, "in", received_sms(number, "hi"))
    receive(deployment, "out", finalized_rcs("delivered", number), "message.finalized")
    receive(deployment, "other", received_sms(fresh_number(), "hi"))
    receive(deployment, "short", {"from": {"phone_number": "44321"}})
    assert ids(deployment, "--number", number) == ["out", "in"]
    assert ids(deployment, "--number", f"{number[:2]} ({number[2:5]}) {number[5:]}") == ["out", "in"]
    assert ids(deployment, "--number", number, "--type", "message.finalized") == ["out"]
    assert ids(deployment, "--number", "44321") == ["short"]
    assert ids(deployment, "--number", fresh_number()) == []


def test_a_number_without_its_plus_is_found(deployment: Deployment) -> None:
    body = orjson.dumps(sample("link.clicked-number-without-plus", number="+13125550411"))
    arrival = NewEvent("clicked", "link_clicked", body, "webhook")
    deployment.ask(lambda store: accept(store, [arrival]))
    receive(deployment, "number", {"from": 13125550411, "to": ["001 312 555 0411"]})
    receive(deployment, "other", {"message_id": "13125550411", "to": "13125550412"})
    for spelt in ("+13125550411", "13125550411", "0013125550411"):
        assert ids(deployment, "--number", spelt) == ["number", "clicked"]


def test_a_number_is_found_when_the_body_is_gone_and_stands_nowhere_in_the_clear(deployment: Deployment) -> None:
    number = fresh_number()
    receive(deployment, "one", received_sms(number, "hi"))
    deployment.finish("one", greet=HandlerRecord("done"))
    deployment.ask(lambda store: prune_bodies(store, older_than=-1))
    assert ids(deployment, "--number", number) == ["one"]
    stored = b"".join(
        key + (deployment.redis.dump(key) or b"")
        for key in deployment.redis.scan_iter(f"{deployment.keys.namespace}:*")
    )
    assert number[1:].encode() not in stored


def test_a_number_is_found_when_the_marks_of_its_minute_are_gone(deployment: Deployment) -> None:
    number = fresh_number()
    receive(deployment, "one", received_sms(number, "hi"))
    deployment.redis.delete(*deployment.redis.scan_iter(f"{deployment.keys.namespace}:minute:*"))
    assert ids(deployment, "--number", number) == ["one"]


def test_handlers_are_found_before_and_after_the_body_is_gone(deployment: Deployment) -> None:
    deployment.accept("one", "two")
    deployment.finish("one", greet=HandlerRecord("done"))
    deployment.finish("two", greet_all=HandlerRecord("done"))
    assert ids(deployment, "--handler", "greet") == ["one"]
    deployment.ask(lambda store: prune_bodies(store, older_than=-1))
    assert ids(deployment, "--handler", "greet") == ["one"]
    assert deployment.run("events", "list", "--handler", "gre").code == 2


def test_families_of_types(deployment: Deployment) -> None:
    deployment.accept("brand", event_type="10dlc.brand.update")
    deployment.accept("campaign", event_type="10dlc.campaign.update")
    deployment.accept("other", event_type="10dlcx.brand")
    assert set(ids(deployment, "--type", "10dlc.*")) == {"brand", "campaign"}
    assert ids(deployment, "--type", "10dlc.brand.update") == ["brand"]


def test_times_are_durations_or_iso(deployment: Deployment) -> None:
    deployment.accept("now", "then")
    received = int(datetime(2026, 1, 31, 8, tzinfo=UTC).timestamp() * 1000)
    deployment.redis.hset(deployment.keys.event("then"), "received_at", str(received))
    deployment.redis.zadd(deployment.keys.events, {"then": received})
    day = ("--since", "2026-01-31T08:00:00Z", "--until", "2026-01-31T08:00:00Z")
    assert ids(deployment, *day) == ["then"]
    assert ids(deployment, *day, "--state", "open") == ["then"]
    assert ids(deployment, *day, "--type", "message.received") == ["then"]
    assert ids(deployment, "--since", "2026-01-31 10:00+02:00", "--until", "2026-01-31 08:00") == ["then"]
    assert "now" in ids(deployment, "--since", "15m")
    assert "now" not in ids(deployment, "--until", "1h")


def test_dead_ones_by_type_handler_reason_and_time_of_death(deployment: Deployment) -> None:
    deployment.accept("a", "b")
    deployment.accept("c", event_type="message.sent")
    deployment.finish("a", greet=HandlerRecord("dead", reason="ValueError"), thank=HandlerRecord("done"))
    deployment.finish("b", greet=HandlerRecord("dead", reason="40300"))
    deployment.finish("c", thank=HandlerRecord("dead", reason="40300"))
    assert set(ids(deployment, "--handler", "greet", command="dead")) == {"a", "b"}
    assert ids(deployment, "--handler", "thank", command="dead") == ["c"]
    assert set(ids(deployment, "--reason", "40300", command="dead")) == {"b", "c"}
    assert ids(deployment, "--reason", "40300", "--type", "message.sent", command="dead") == ["c"]
    deployment.redis.zadd(deployment.keys.dead, {"a": 1000})
    assert ids(deployment, "--until", "1970-01-02", command="dead") == ["a"]


@pytest.mark.parametrize(
    "options",
    [("--number", "nobody"), ("--since", "1"), ("--until", "soon"), ("--since", "15m", "--until", "2h")],
    ids=" ".join,
)
def test_bad_usage_exits_2(deployment: Deployment, options: tuple[str, ...]) -> None:
    ran = deployment.run("events", "list", *options)
    assert (ran.code, ran.stdout) == (2, "")


def test_digests_of_a_long_body_are_few() -> None:
    body = b",".join(b'"+1312555%04d"' % number for number in range(5000))
    assert len(digests(body, PLAIN)) == 8 * 4


def test_an_event_is_found_by_the_message_that_it_is_about(deployment: Deployment) -> None:
    sent, other = (finalized_rcs("delivered", fresh_number()) | {"id": f"message-{each}"} for each in (1, 2))
    receive(deployment, "one", sent, "message.finalized")
    receive(deployment, "two", other, "message.finalized")
    receive(deployment, "three", received_sms(fresh_number(), "hi") | {"id": "message-1"})
    receive(deployment, "foreign", {"id": "message-1"}, "call.answered")
    assert ids(deployment, "--message", "message-1") == ["three", "one"]
    assert ids(deployment, "--message", "message-1", "--type", "message.finalized") == ["one"]
    assert ids(deployment, "--message", "message-3") == []


def test_an_event_is_found_by_its_runs_and_by_any_reason(deployment: Deployment) -> None:
    deployment.accept("often", "once", "waits", "never")
    deployment.finish("often", greet=HandlerRecord("done", reason="too_old", ran=4), other=HandlerRecord("done", ran=1))
    deployment.finish("once", greet=HandlerRecord("dead", attempts=1, reason="why"))
    deployment.finish("waits", greet=HandlerRecord("waiting", due=10**14, reason="rate_limit", ran=3))
    for _ in range(2):
        assert ids(deployment, "--attempts", "3") == ["waits", "often"]
        assert ids(deployment, "--attempts", "1") == ["waits", "once", "often"]
        assert ids(deployment, "--reason", "too_old") == ["often"]
        assert ids(deployment, "--reason", "rate_limit", "--attempts", "3") == ["waits"]
        assert ids(deployment, "--reason", "too_old", "--attempts", "5") == []
        # Found as well once the body and the record are pruned.
        deployment.ask(lambda store: prune_bodies(store, older_than=-1))


def test_periodic_events_are_hidden_unless_asked_for(deployment: Deployment) -> None:
    receive(deployment, "cron", {}, "ringback.cron.poll")
    receive(deployment, "one", {})
    assert ids(deployment) == ["one"]
    assert ids(deployment, "--crons") == ["one", "cron"]
    assert ids(deployment, "--type", "ringback.cron.*") == ["cron"]
    assert '"cron"' in deployment.run("events", "export").stdout


def test_a_misspelt_handler_is_refused_with_the_name_that_is_near(deployment: Deployment) -> None:
    deployment.accept("one")
    deployment.finish("one", of_mine=HandlerRecord("dead", reason="why", attempts=8))
    for command in (("dead", "list"), ("dead", "retry", "--yes"), ("dead", "drop", "--yes")):
        ran = deployment.run(*command, "--handler", "of_mime")
        assert (ran.code, "is of_mine meant?" in ran.stderr) == (2, True), ran
    assert deployment.run("events", "list", "--handler", "sms_falback").code == 2
    assert deployment.run("dead", "list", "--handler", "sms_fallback").code == 0


@pytest.mark.parametrize("since", ["99999999d", "0001-01-01", "1969-12-31T23:59:59Z"])
def test_a_time_before_all_events_selects_all_of_them(deployment: Deployment, since: str) -> None:
    deployment.accept("one")
    assert "one" in deployment.run("events", "list", "--since", since).stdout
    ran = deployment.run("audit", "log", "--since", since)
    assert (ran.code, ran.stderr) == (0, "No action is on record.\n")


def test_a_number_of_attempts_that_no_handler_reaches_is_bad_usage(deployment: Deployment) -> None:
    assert deployment.run("events", "list", "--attempts", "9" * 20).code == 2
