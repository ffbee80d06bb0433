"""G14: a handler that blocks the event loop is named and goes dead, and its neighbours lose nothing."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from service.cli.connections import ask_at
from service.security.encryption import PLAIN
from service.store.inbox.maintenance import Queue, blocked_workers, queue
from service.store.inbox.records import EventRecord
from service.store.store import Store
from tests.processes.fleet import NAMESPACE, Fleet, open_fleet
from tests.telnyx_events import envelope
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

HANDLERS = """
import asyncio, time
from pathlib import Path
from service import Context, Event, Router

router = Router()
BLOCK = 7

def note(name: str, line: str = "run") -> None:
    with Path(name).open("a") as file:
        print(line, file=file)

@router.on("test.neighbour")
async def neighbour(event: Event, ctx: Context) -> None:
    note("neighbour", event.id)
    await asyncio.sleep(0.5)

@router.on("test.sleep")
async def sleeps(event: Event, ctx: Context) -> None:
    note("blocking")
    await asyncio.sleep(0.1)
    time.sleep(BLOCK)  # the line

@router.on("test.loop")
async def loops(event: Event, ctx: Context) -> None:
    note("blocking")
    await asyncio.sleep(0.1)
    ends = time.monotonic() + BLOCK
    while time.monotonic() < ends: sum(range(1000))  # the line

@router.on("test.three")
async def a_before(event: Event, ctx: Context) -> None:
    note("a_before")

@router.on("test.three")
async def b_blocks(event: Event, ctx: Context) -> None:
    note("blocking")
    time.sleep(BLOCK)  # the line

@router.on("test.three")
async def c_after(event: Event, ctx: Context) -> None:
    note("c_after")
    await asyncio.sleep(0.05)

async def nested() -> None:
    import slow_library
    await slow_library.fetch(BLOCK)

@router.on("test.library")
async def asks_a_library(event: Event, ctx: Context) -> None:
    note("blocking")
    await asyncio.create_task(nested())

@router.on("test.callback")
async def calls_back(event: Event, ctx: Context) -> None:
    note("blocking")
    done = asyncio.Event()
    def late() -> None:
        time.sleep(BLOCK)  # the line
        done.set()
    asyncio.get_running_loop().call_soon(late)
    await done.wait()

@router.on("test.bare_callback")
async def calls_sleep_back(event: Event, ctx: Context) -> None:
    note("blocking")
    asyncio.get_running_loop().call_soon(time.sleep, BLOCK)
    await asyncio.sleep(0.5)

@router.on("test.c_call")
async def calls_c(event: Event, ctx: Context) -> None:
    note("blocking")
    await asyncio.sleep(0.1)
    ends = time.monotonic() + BLOCK
    all(map(ends.__gt__, iter(time.monotonic, None)))  # the line, which runs no bytecode until it is over

if Path("cron").exists():
    @router.cron(second=None, minute=None, hour=None)
    async def nightly(event: Event, ctx: Context) -> None:
        note("blocking")
        time.sleep(BLOCK)  # the line
"""
LIBRARY = """
import time

async def fetch(seconds: int) -> None:
    time.sleep(seconds)
"""


def opened(folder: Path, **variables: str) -> Any:
    """A fleet with leases that a busy machine or a slow disk cannot let lapse: only a blocked loop may end them."""
    (folder / "slow_library.py").write_text(LIBRARY)
    return open_fleet(folder, HANDLERS, **{"RINGBACK_HANDLER_TIMEOUT": "1s", "RINGBACK_LEASE": "5s", **variables})


def logged(folder: Path, event: str) -> list[dict[str, Any]]:
    """The lines of the workers' logs that tell of this."""
    texts = [path.read_text() for path in sorted(folder.glob("worker-*.log"))]
    lines = [orjson.loads(line) for text in texts for line in text.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def found_dead(fleet: Fleet, event: dict[str, Any], handler: str) -> EventRecord:
    record = fleet.ended(event, seconds=150)
    found = record.handlers[handler]
    assert (record.state, found.state, found.reason) == ("dead", "dead", "blocked_event_loop")
    assert found.runs_counted == 3
    assert found.error is not None
    assert "to_thread" in found.error
    return record


def line_of(handler: str) -> int:
    lines = HANDLERS.splitlines()
    start = next(n for n, line in enumerate(lines) if f"def {handler}(" in line)
    return next(n + 1 for n in range(start, len(lines)) if "# the line" in lines[n])


@pytest.mark.parametrize(
    ("kind", "handler", "workers"), [("sleep", "sleeps", 1), ("loop", "loops", 2), ("callback", "calls_back", 1)]
)
def test_the_handler_is_named_goes_dead_and_its_neighbours_are_done_once(
    tmp_path: Path, kind: str, handler: str, workers: int
) -> None:
    with opened(tmp_path) as fleet:
        fleet.start_ingress()
        for _ in range(workers):
            fleet.start_worker()
        event = envelope(f"test.{kind}", {})
        neighbours = [envelope("test.neighbour", {"n": n}) for n in range(20)]
        fleet.accepted(*neighbours[:10], event, *neighbours[10:])
        record = found_dead(fleet, event, handler)
        ended = [fleet.ended(each) for each in neighbours]

        assert len(fleet.written("blocking")) == 3
        assert {(each.state, each.handlers["neighbour"].attempts) for each in ended} == {("done", 0)}
        again = [each for each in ended if fleet.written("neighbour").count(each.id) != 1]
        assert not again, [each.notes for each in again] + logged(tmp_path, "leases not renewed")
        assert fleet.audit_is_clean()
        assert_named(tmp_path, record, handler)


def assert_named(folder: Path, record: EventRecord, handler: str) -> None:
    told = logged(folder, "a handler blocks the event loop")
    assert {(line["handler"], line["event_id"]) for line in told} == {(handler, record.id)}
    assert {f"my_handlers.py:{line_of(handler)}" for _ in told} == {line["place"].split()[0] for line in told}
    assert all(line["level"] == "error" and line["seconds"] >= 5 for line in told)


def test_a_call_that_holds_the_interpreters_lock_is_named_when_it_is_over(tmp_path: Path) -> None:
    with opened(tmp_path) as fleet:
        fleet.start_ingress()
        fleet.start_worker()
        event, neighbour = envelope("test.c_call", {}), envelope("test.neighbour", {})
        fleet.accepted(neighbour, event)
        record = found_dead(fleet, event, "calls_c")
        assert fleet.ended(neighbour).handlers["neighbour"].attempts == 0
        assert_named(tmp_path, record, "calls_c")


def test_of_three_handlers_of_an_event_those_that_do_not_block_end_done(tmp_path: Path) -> None:
    with opened(tmp_path) as fleet:
        fleet.start_ingress()
        fleet.start_worker()
        fleet.accepted(event := envelope("test.three", {}))
        record = found_dead(fleet, event, "b_blocks")
        assert (record.handlers["a_before"].state, record.handlers["c_after"].state) == ("done", "done")
        assert (fleet.written("a_before"), fleet.written("c_after")) == (["run"], ["run"])
        assert len(fleet.written("blocking")) == 3


def test_code_of_a_library_in_a_task_and_a_bare_callback_count_against_their_handlers(tmp_path: Path) -> None:
    with opened(tmp_path) as fleet:
        fleet.start_ingress()
        fleet.start_worker()
        for kind, handler in (("library", "asks_a_library"), ("bare_callback", "calls_sleep_back")):
            fleet.accepted(event := envelope(f"test.{kind}", {}))
            record = fleet.ended(event, seconds=90)
            assert (record.state, record.handlers[handler].reason) == ("dead", "blocked_event_loop")
        told = logged(tmp_path, "a handler blocks the event loop")
        places = {line["place"] for line in told if line["handler"] == "asks_a_library"}
        assert {place.partition(" (in ")[2] for place in places} == {"slow_library.py:5 in fetch)"}


def test_a_cron_handler_that_blocks_is_named(tmp_path: Path) -> None:
    with opened(tmp_path) as fleet:
        (tmp_path / "cron").touch()
        fleet.start_worker()
        told = wait_for(lambda: logged(tmp_path, "a handler blocks the event loop"))
        assert told[0]["handler"] == "nightly"
        assert told[0]["place"].startswith(f"my_handlers.py:{line_of('nightly')} ")


def at(fleet: Fleet) -> tuple[Queue, list[str]]:
    async def ask(store: Store) -> tuple[Queue, list[str]]:
        return await queue(store), await blocked_workers(store)

    return ask_at(fleet.server.url, NAMESPACE, PLAIN, ask)


def when_blocked(fleet: Fleet) -> tuple[Queue, list[str]] | None:
    known = at(fleet)
    return known if known[0].blocked_workers and known[1] else None


def test_what_a_blocked_worker_holds_counts_as_due_until_the_loop_turns_again(tmp_path: Path) -> None:
    """The lease is far from its end, so that only the watch can tell."""
    with opened(tmp_path, RINGBACK_LEASE="60s") as fleet:
        fleet.start_ingress()
        fleet.start_worker(RINGBACK_HANDLER_TIMEOUT="60s")
        neighbours = [envelope("test.neighbour", {}) for _ in range(3)]
        fleet.accepted(*neighbours, event := envelope("test.sleep", {}))
        seen, places = wait_for(lambda: when_blocked(fleet))
        assert (seen.blocked_workers, len(places)) == (1, 1)
        assert places[0].startswith(f"my_handlers.py:{line_of('sleeps')} ")
        assert seen.due >= 1
        assert seen.age >= 5
        assert fleet.ended(event).state == "done", "within its time-out"
        wait_for(lambda: at(fleet)[1] == [])
        assert at(fleet)[0].due == 0


LIFESPAN = """
import asyncio, time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from service import Router

@asynccontextmanager
async def slow_database() -> AsyncIterator[None]:
    {wait}
    yield

router = Router(lifespan=slow_database)

@router.on("test.x")
async def x(event, ctx): ...
"""


@pytest.mark.parametrize(
    ("wait", "event"),
    [
        ("time.sleep(60)", "a lifespan blocks the event loop, so that the worker does not start"),
        ("await asyncio.sleep(60)", "the worker does not start before its lifespan yields"),
    ],
)
def test_a_lifespan_that_keeps_the_worker_from_starting_is_named(tmp_path: Path, wait: str, event: str) -> None:
    with open_fleet(tmp_path, LIFESPAN.format(wait=wait)) as fleet:
        fleet.start("worker")
        told = wait_for(lambda: logged(tmp_path, event))
        assert told[0]["lifespan"] == "slow_database"
        assert told[0].get("place", "my_handlers.py:9 in slow_database") == "my_handlers.py:9 in slow_database"
