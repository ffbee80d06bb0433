"""G8: a later release takes over from this one under load, and gives back: nothing is refused, lost or doubled."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.cli.connections import ask_at
from service.security.encryption import PLAIN
from service.store.effects import blocks
from service.store.inbox.records import EventRecord
from service.store.inbox.workers import read_workers
from tests.processes import later_release
from tests.processes.fleet import NAMESPACE, Fleet, open_fleet
from tests.processes.rolling import Build, Load, Rollout
from tests.telnyx_events import envelope, finalized_rcs
from tests.waiting import wait_for

HANDLERS = """
import asyncio
from pathlib import Path
from handlers import router as built_in
from service import Context, Event, Router

mine = Router()

@mine.on("test.note")
async def note(event: Event, ctx: Context) -> None:
    with Path("notes").open("a") as file:
        print(event.id, file=file)

@mine.on("test.long")
async def long(event: Event, ctx: Context) -> None:
    with Path("long").open("a") as file:
        print(ctx.attempt, file=file)
    while not Path("go").exists():
        await asyncio.sleep(0.05)

router = Router(built_in, mine)
"""
VARIABLES = {
    "RINGBACK_SMS_FROM": "+13125550199",
    "RINGBACK_SMS_PER_HOUR": "100000",
    "RINGBACK_LIMITS": "sms=1000",
    "RINGBACK_HANDLER_TIMEOUT": "1h",
    "RINGBACK_GRACE": "1s",
}
RETIRED, NEW = "rcs_capabilities", "later_only"
MINE: Build = {}
"""The present source."""


@contextmanager
def loaded(rollout: Rollout) -> Iterator[Load]:
    """A load until the block ends."""
    load = Load(rollout.fleet, rollout.balancer)
    thread = threading.Thread(target=load.run)
    thread.start()
    try:
        yield load
    finally:
        load.ended.set()
        thread.join()


def ask(fleet: Fleet, work: Any) -> Any:
    return ask_at(fleet.server.url, NAMESPACE, PLAIN, work)


def await_more(load: Load, *, events: int = 20) -> None:
    """Wait until the builds that run now have handled more."""
    wanted = len(load.notes) + events
    wait_for(lambda: len(load.notes) > wanted and len(load.fleet.written("notes")) > wanted, seconds=60)


def forward(rollout: Rollout, load: Load, build: Build) -> None:
    """Deploy: workers first, since they read what the ingress writes."""
    rollout.replace_workers(build)
    await_more(load)
    rollout.replace_ingress(build)
    await_more(load)


def back(rollout: Rollout, load: Load, build: Build) -> None:
    """Go back: the ingress first."""
    rollout.replace_ingress(build)
    await_more(load)
    rollout.replace_workers(build)
    await_more(load)


def pause(fleet: Fleet, handler: str) -> None:
    ask(fleet, lambda store: blocks.pause(store, handler))


def resume(fleet: Fleet, handler: str) -> None:
    ask(fleet, lambda store: blocks.resume(store, handler))


def when(fleet: Fleet, body: dict[str, Any], handler: str, state: str, reason: str) -> EventRecord:
    """The record of an event once a handler of it is in a state for a reason."""

    def reached() -> EventRecord | None:
        record = fleet.record(body["data"]["id"])
        known = record.handlers.get(handler) if record else None
        return record if known and (known.state, known.reason) == (state, reason) else None

    return wait_for(reached, seconds=60)


def versions(fleet: Fleet) -> set[str]:
    return {each.sign.version for each in ask(fleet, read_workers) if each.state == "working"}


def assert_each_was_handled_once(load: Load) -> None:
    """Nothing refused, lost or doubled."""
    fleet = load.fleet
    assert {code for code, _ in load.answers} == {200}, load.answers
    for event_id in (*load.notes, *load.failures):
        record = fleet.ended({"data": {"id": event_id}}, seconds=120)
        assert record.state == "done", record
        assert not any(each.attempts for each in record.handlers.values()), record
    assert sorted(fleet.written("notes")) == sorted(load.notes)
    sent = [each.body["to"] for each in fleet.simulator.requests if each.method == "POST" and not each.replayed]
    assert sorted(sent) == sorted(load.failures.values())
    wait_for(fleet.audit_is_clean)
    for log in fleet.folder.glob("*.log"):
        text = log.read_text()
        assert not any(each in text for each in ('"level": "error"', "Traceback", "damaged")), text


def begin_what_will_be_retired(fleet: Fleet) -> dict[str, Any]:
    """An event whose handler that the later release retires has not run."""
    pause(fleet, RETIRED)
    body = envelope("message.finalized", finalized_rcs("delivered", "+13125550123"))
    fleet.accepted(body)
    when(fleet, body, RETIRED, "parked", "paused")
    return body


def begin_what_is_unknown(fleet: Fleet) -> dict[str, Any]:
    """An event whose handler only the later release has, and which has not run."""
    pause(fleet, NEW)
    body = envelope("test.only_later", {})
    fleet.accepted(body)
    when(fleet, body, NEW, "parked", "paused")
    return body


def test_the_changes_of_the_later_release_are_still_to_be_made() -> None:
    """Its table is out of date once the source no longer has what a change replaces."""
    texts = {each["file"]: (later_release.ROOT / each["file"]).read_text("utf-8") for each in later_release.EDITS}
    assert [
        each["old"] for each in later_release.EDITS if texts[each["file"]].count(each["old"]) != each.get("times", 1)
    ] == []


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("rounds", [pytest.param(1, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.soak)])
def test_a_later_release_takes_over_under_load_and_gives_back(tmp_path: Path, rounds: int) -> None:
    later: Build = {"PYTHONPATH": str(later_release.build(tmp_path / "later"))}
    with open_fleet(tmp_path, HANDLERS, **VARIABLES) as fleet:
        rollout = Rollout(fleet)
        rollout.start_ingress(MINE)
        rollout.start_worker(MINE)
        long, unknown = envelope("test.long", {}), None
        fleet.accepted(long)
        with loaded(rollout) as load:
            await_more(load)
            for _ in range(rounds):
                retired = begin_what_will_be_retired(fleet)
                forward(rollout, load, later)
                assert versions(fleet) == {later_release.VERSION}
                resume(fleet, RETIRED)
                when(fleet, retired, RETIRED, "done", "retired")
                if unknown is not None:
                    # It was put off for a minute.
                    assert fleet.ended(unknown, seconds=90).handlers[NEW].attempts == 0
                unknown = begin_what_is_unknown(fleet)
                back(rollout, load, MINE)
                assert versions(fleet) == {"0.1.0"}
                resume(fleet, NEW)
                left_alone = when(fleet, unknown, NEW, "waiting", "unknown_handler")
                assert left_alone.handlers[NEW].attempts == 0
            (tmp_path / "go").touch()
        assert fleet.ended(long, seconds=60).handlers["long"].attempts == 0
        assert set(fleet.written("long")) == {"1"}
        assert fleet.written("later_news")
        if fleet.counts().open > 1:
            # The stop of a worker has given back events whose new handler the present source does not know.
            rollout.replace_workers(later)
        assert_each_was_handled_once(load)
