"""The shadow run of `ringback events shadow`, and its report. It loads handlers and the SDK."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import typer

from service.cli.connections import SECONDS, with_redis
from service.cli.output import confirm, say, say_json
from service.cli.rich_output import print_table, progress
from service.monitoring.logs import configure_logs
from service.outbound.shadow_transport import open_shadow_client
from service.routing import Router
from service.settings import Settings, load
from service.store.connection import connect, locate
from service.store.effects.ledger import effects_of
from service.store.inbox.accept import find_all
from service.store.inbox.records import EventRecord
from service.store.inbox.search import EventFilter, matching
from service.store.shadow_store import PretendingRedis, ReadOnlyRedis, shadow_of
from service.store.store import Store
from service.worker.load_router import load_router
from service.worker.own_settings import read_own_settings
from service.worker.shadow_comparison import ShadowDifference, compare
from service.worker.shadow_run import ShadowRun, ShadowWorker

PAGE = 50
"""Events with their bodies that are in memory at once."""
MOST_SHOWN = 1000
WARNING = (
    "Calls that change something at Telnyx, replies, events, notifications and writes to Redis are captured. Reads of"
    " Telnyx are real, and so is whatever the handlers do elsewhere: a database, a file, another service."
)


@dataclass
class Report:
    """The findings of a shadow run. It keeps `MOST_SHOWN` differences, and counts all."""

    ran: int = 0
    differing: int = 0
    skipped: "Counter[str]" = field(default_factory=Counter)
    raised: int = 0
    notified: int = 0
    differences: list[ShadowDifference] = field(default_factory=list)

    def add(self, found: list[ShadowDifference], runs: dict[str, ShadowRun]) -> None:
        """Add an event that was run."""
        self.ran += 1
        self.differing += bool(found)
        self.raised += sum(len(each.raised) for each in runs.values())
        self.notified += sum(len(each.notified) for each in runs.values())
        self.differences += found[: MOST_SHOWN - len(self.differences)]


def run_shadow(
    selection: EventFilter, import_string: str | None, only: str | None, *, yes: bool, reveal: bool, as_json: bool
) -> int:
    """Ask, run the handlers, and print the differences. Return how many events would differ.

    Raises:
        typer.BadParameter: the router has no handler `only`.
        service.worker.load_router.CannotLoadHandlers: there is no such router.
    """
    settings = load()
    router = load_router(import_string or settings.handlers).configured(settings)
    if only is not None and only not in router.subscriptions:
        raise typer.BadParameter(f"there is no handler {only!r} in {import_string or settings.handlers}")
    say(WARNING, err=True)
    confirm("Run the handlers?", yes=yes, on_record=False)
    configure_logs()
    report = with_redis(lambda store: _run(store, settings, router, selection, only))
    _show(report, reveal=reveal, as_json=as_json)
    return report.differing


async def _run(store: Store, settings: Settings, router: Router, selection: EventFilter, only: str | None) -> Report:
    report, seen = Report(), set[str]()
    with progress("Running handlers", None) as advance:
        async with _opened(store, settings, router) as worker:
            async for page in matching(store, selection):
                ids = [each for each in page if each not in seen]
                seen = set(page)
                for start in range(0, len(ids), PAGE):
                    for record in await find_all(store, ids[start : start + PAGE]):
                        await _try(store, worker, record, only, report)
                        advance(1)
    return report


async def _try(store: Store, worker: ShadowWorker, record: EventRecord, only: str | None, report: Report) -> None:
    """Run the handlers of one event, and compare them with what was."""
    if record.body is None or record.state == "open":
        report.skipped["open" if record.state == "open" else "no_body"] += 1
        return
    names = [name for name in worker.subscribed(record.type) if only in (None, name)]
    runs = {name: await worker.run(record, name) for name in names}
    effects = await effects_of(store, record.id)
    report.add(compare(record, effects, runs, store.encryption, only=only), runs)


@asynccontextmanager
async def _opened(store: Store, settings: Settings, router: Router) -> AsyncIterator[ShadowWorker]:
    """Open the handlers' lifespans, a client and connections that write nothing."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(connect(locate(settings), timeout=SECONDS, connections=8))
        telnyx = open_shadow_client(settings)
        stack.push_async_callback(telnyx.close)
        lifespans = {each.lifespan for each in router.subscriptions.values() if each.lifespan}
        states = {each: await stack.enter_async_context(each()) for each in lifespans}
        pretending = PretendingRedis(connection_pool=redis.connection_pool)
        reading = ReadOnlyRedis(connection_pool=redis.connection_pool)
        own = read_own_settings(router)
        yield ShadowWorker(settings, router, shadow_of(store, pretending), reading, telnyx, states, own)


def _show(report: Report, *, reveal: bool, as_json: bool) -> None:
    if as_json:
        counted = {"events": report.ran, "differing": report.differing, "skipped": dict(report.skipped)}
        captured = {"raised": report.raised, "notified": report.notified}
        say_json(
            {**counted, **captured, "differences": [_as_object(each, reveal=reveal) for each in report.differences]}
        )
        return
    if report.differences:
        columns = ("event", "handler", "was", "would be", "calls")
        print_table(columns, [_row(each, reveal=reveal) for each in report.differences])
    shown = sum(report.skipped.values())
    skipped = f", skipped {shown:,} ({', '.join(f'{n:,} {why}' for why, n in report.skipped.items())})" if shown else ""
    say(f"Ran {report.ran:,} events, {report.differing:,} would differ{skipped}.", err=True)


def _as_object(difference: ShadowDifference, *, reveal: bool) -> dict[str, Any]:
    told = asdict(difference)
    return told if reveal else {name: value for name, value in told.items() if name != "revealed"}


def _row(difference: ShadowDifference, *, reveal: bool) -> tuple[str, str, str, str, list[str]]:
    calls = [
        *(f"- {each}" for each in difference.lost),
        *(f"+ {each}" for each in difference.gained),
        *(f"~ {each}" for each in difference.changed),
        *(str(each["body"]) for each in (difference.revealed if reveal else ())),
    ]
    now = f"{difference.now}: {difference.error}" if difference.error else difference.now
    return difference.event_id, difference.handler, difference.was, now, calls
