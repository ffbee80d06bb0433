"""`ringback events list`: what was received, and what became of it."""

import json
import uuid
from datetime import datetime
from typing import Any

import pytest

from service import Context, Event, Retry, Router
from service.cli.events.event_list import as_object
from service.store.inbox.accept import PAGE
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.maintenance import prune_bodies
from tests.cli.deployment import Deployment
from tests.stack import Stack
from tests.telnyx_events import envelope


def listed(deployment: Deployment, *options: str) -> list[dict[str, Any]]:
    ran = deployment.run("events", "list", "--json", *options)
    assert (ran.code, ran.stderr) == (0, "")
    events: list[dict[str, Any]] = json.loads(ran.stdout)
    return events


def ids(deployment: Deployment, *options: str) -> list[str]:
    return [event["id"] for event in listed(deployment, *options)]


def test_a_real_process_prints_an_array(deployment: Deployment) -> None:
    deployment.accept("one", event_type="message.finalized")
    deployment.finish("one", consent=HandlerRecord("done", reason="nothing_said"), slow=HandlerRecord("waiting", 2, 5))
    received = deployment.redis.zscore(deployment.keys.events, "one")
    ran = deployment.run_process("events", "list", "--json")
    assert (ran.code, ran.stderr) == (0, "")
    [event] = json.loads(ran.stdout)
    assert datetime.fromisoformat(event.pop("received_at")).timestamp() * 1000 == pytest.approx(received, abs=0.01)
    assert event == {
        "id": "one",
        "type": "message.finalized",
        "state": "open",
        "handlers": {
            "consent": {"state": "done", "attempts": 0, "reason": "nothing_said", "error": None},
            "slow": {"state": "waiting", "attempts": 2, "reason": None, "error": None},
        },
    }


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (1_763_785_000_000, "2025-11-22T04:16:40.000Z"),
        (1_763_785_000_007, "2025-11-22T04:16:40.007Z"),
        (1_763_785_000_999, "2025-11-22T04:16:40.999Z"),
    ],
)
def test_times_are_utc_to_the_millisecond(deployment: Deployment, milliseconds: int, text: str) -> None:
    deployment.accept("one")
    deployment.redis.hset(deployment.keys.event("one"), "received_at", str(milliseconds))
    assert listed(deployment)[0]["received_at"] == text


def test_the_newest_come_first_and_no_more_than_the_limit(deployment: Deployment) -> None:
    deployment.accept("a", "b", "c")
    for age, event_id in enumerate("bca"):
        deployment.redis.zadd(deployment.keys.events, {event_id: 1_000 - age})
    assert ids(deployment) == ["b", "c", "a"]
    assert ids(deployment, "--limit", "2") == ["b", "c"]


def test_without_a_limit_fifty_are_listed(deployment: Deployment) -> None:
    deployment.accept(*(f"event-{number}" for number in range(51)))
    assert len(ids(deployment)) == 50


@pytest.mark.parametrize("state", ["done", "ignored", "dead"])
def test_a_state_can_be_asked_for(deployment: Deployment, state: str) -> None:
    deployment.one_of_each()
    assert ids(deployment, "--state", state) == [state]


def test_waiting_and_running_events_are_open(deployment: Deployment) -> None:
    deployment.one_of_each()
    assert set(ids(deployment, "--state", "open")) == {"open", "leased"}


def test_a_type_can_be_asked_for_however_far_back_it_is(deployment: Deployment) -> None:
    deployment.accept("old", "older", event_type="10dlc.brand.update")
    deployment.redis.zadd(deployment.keys.events, {"old": 2, "older": 1})
    deployment.accept(*(f"event-{number}" for number in range(PAGE + 1)))
    assert ids(deployment, "--type", "10dlc.brand.update") == ["old", "older"]
    assert ids(deployment, "--type", "10dlc.brand.update", "--limit", "1") == ["old"]
    assert ids(deployment, "--type", "10dlc.brand.update", "--state", "dead") == []


def test_people_get_a_table(deployment: Deployment) -> None:
    deployment.accept("[bold]one[/bold]")
    deployment.finish("[bold]one[/bold]", greet=HandlerRecord("waiting", 2, reason="rate_limit", error="429"))
    ran = deployment.run("events", "list")
    header, row = ran.stdout.splitlines()
    assert header.split() == ["id", "type", "state", "received", "(UTC)", "handlers"]
    assert row.split()[:3] == ["[bold]one[/bold]", "message.received", "open"]
    assert row.rstrip().endswith("greet waiting after 2 attempts (rate_limit): 429")
    assert (ran.code, ran.stderr) == (0, "")


def test_a_narrow_terminal_folds_but_cuts_nothing(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {"FORCE_COLOR": "1", "COLUMNS": "80", "TERM": "xterm"}.items():
        monkeypatch.setenv(variable, value)
    event_id = str(uuid.uuid4())
    deployment.accept(event_id, event_type="messaging_hosted_numbers_orders.updated")
    deployment.finish(event_id, greet=HandlerRecord("dead", 8, error="exhausted"))
    table = deployment.run("events", "list").stdout
    assert max(map(len, table.splitlines()[1:])) <= 80
    for text in (event_id, "messaging_hosted_numbers_orders", "dead, ", "greet dead", "exhausted"):
        assert text in table


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "No events yet."),
        (("--state", "dead"), "No event matches."),
        (("--type", "message.sent"), "No event matches."),
    ],
)
def test_an_empty_list_says_so_in_words(deployment: Deployment, options: tuple[str, ...], words: str) -> None:
    ran = deployment.run("events", "list", *options)
    assert (ran.code, ran.stdout, ran.stderr) == (0, "", f"{words}\n")
    assert listed(deployment, *options) == []


@pytest.mark.parametrize(
    "options", [("--state", "lost"), ("--limit", "0"), ("--limit", "many"), ("--unknown",)], ids=" ".join
)
def test_bad_usage_exits_2(deployment: Deployment, options: tuple[str, ...]) -> None:
    ran = deployment.run("events", "list", *options)
    assert (ran.code, ran.stdout) == (2, "")
    assert options[0] in ran.stderr


def test_attempts_count_every_run_also_once_the_body_is_let_go_of(stack: Stack) -> None:
    router, began = Router(), []

    @router.on("test.once")
    async def once(event: Event, ctx: Context) -> None:
        """Ends well."""

    @router.on("test.waits")
    async def waits(event: Event, ctx: Context) -> None:
        began.append(event.id)
        if len(began) < 3:
            raise Retry(after=0.01)

    stack.start_worker(router)
    events = envelope("test.once", {}), envelope("test.waits", {})
    for event in events:
        stack.deliver(event)

    def attempts() -> list[int]:
        shown = [as_object(stack.ended(event)) for event in events]
        return [handler["attempts"] for each in shown for handler in each["handlers"].values()]

    assert attempts() == [1, 3]
    stack.ask(lambda store: prune_bodies(store, older_than=0))
    assert stack.ended(events[0]).body is None
    assert attempts() == [1, 3]
