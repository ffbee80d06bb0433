"""`ringback heal`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import typer
from redis.asyncio import Redis
from telnyx import APIError

from service import clock
from service.cli.connections import SECONDS
from service.cli.events.bulk import events
from service.cli.events.filters import parse_moment
from service.cli.on_record import put_on_record
from service.cli.options import JsonOption, YesOption
from service.cli.outages import Outage, redis_outage, through_outages
from service.cli.output import confirm, fail, say, say_json
from service.cli.rich_output import print_table, progress
from service.cli.telnyx.session import ANSWER_SECONDS
from service.healing.deliveries import OurUrls
from service.healing.missed_deliveries import WINDOW
from service.healing.report import HealReport
from service.healing.turn import POLLS, HealingTurn, ask_polls, tell
from service.messages.opt_out_list import ListReading, read_opt_outs
from service.monitoring.traces.switch import open_tracing
from service.outbound.client import open_reader
from service.outbound.errors import classify_error
from service.outbound.list_pages import ListDoesNotEnd, page_progress
from service.settings import Settings, load
from service.store.connection import connect, locate
from service.store.inbox.accept import starting_traces
from service.store.store import Store

MOST_SHOWN = 50

Since = Annotated[
    int | None,
    typer.Option("--since", metavar="TIME", parser=parse_moment, help="15m, 2h, 7d ago, or an ISO time (UTC)."),
]


def heal(
    *,
    since: Since = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be healed.")] = False,
    uncertain: Annotated[
        bool, typer.Option("--uncertain", help="Also lost events that may send a second time: 23 hours old or more.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find events at Telnyx that did not arrive here, and process them.

    It reads Telnyx's deliveries to RINGBACK_PUBLIC_URL, messages whose end did not come, and opt-outs. It has the
    registrations read too. Without --since it goes on where the last turn ended. Workers do the same every hour.

    While Telnyx or Redis cannot be reached, it waits. Killed at any step, it can be run again.

    Exit codes: 0 healed, or nothing was missed, 1 something could not be healed, or Telnyx refuses, or no Redis. 2 bad
    usage, or RINGBACK_PUBLIC_URL is not set.
    """
    settings = load()
    OurUrls.of(settings)
    settings.require_api_key()
    if not dry_run:
        _allow(uncertain_too=uncertain, yes=yes)
    if since is not None and since > clock.now() * 1000:
        raise typer.BadParameter("--since must not lie in the future")
    wanted = None if since is None else since / 1000
    try:
        report, opt_outs = asyncio.run(_run(settings, wanted, act=not dry_run, uncertain_too=uncertain))
    except (APIError, ListDoesNotEnd) as error:
        fail(f"Telnyx: {_described(error)}", "Healed events stay: run it again.")
    if wanted is not None and report.since > wanted:
        say(f"Looked back to {_time(report.since)} only: before, nothing is remembered.", err=True)
    if as_json:
        say_json(_as_object(report, opt_outs, act=not dry_run))
    else:
        _show(report, opt_outs, act=not dry_run)
    if report.failed or report.uncertain:
        raise typer.Exit(1)


def _allow(*, uncertain_too: bool, yes: bool) -> None:
    if uncertain_too:
        confirm("Events that were taken 23 hours ago or more may send a second time. Go on?", yes=yes)
    else:
        put_on_record()


async def _run(
    settings: Settings, since: float | None, *, act: bool, uncertain_too: bool
) -> tuple[HealReport, ListReading | None]:
    redis_url = locate(settings)
    async with (
        _traces(),
        open_reader(settings, ANSWER_SECONDS) as telnyx,
        connect(redis_url, timeout=SECONDS, connections=4) as redis,
    ):
        store = Store.of(redis, settings)
        turn = HealingTurn(telnyx, store, settings, act, uncertain_too=uncertain_too)
        report, outage_of = await turn.start(since), partial(_outage, redis)
        if act:
            await through_outages(lambda: ask_polls(store), outage_of)
        try:
            await through_outages(lambda: _turn(turn, report), outage_of)
        finally:
            if act:
                await tell(store, report)
        if not act:
            return report, None
        return report, await through_outages(lambda: read_opt_outs(telnyx, store, since=report.since), outage_of)


@asynccontextmanager
async def _traces() -> AsyncIterator[None]:
    """Trace the healed events until the block ends, where traces are on."""
    tracing = open_tracing("heal")
    if tracing is None:
        yield
        return
    try:
        with starting_traces(tracing.raised):
            yield
    finally:
        await tracing.close()


async def _turn(turn: HealingTurn, report: HealReport) -> None:
    async with _showing(report):
        async for _ in turn.take(report):
            pass


def _outage(redis: "Redis", error: Exception) -> Outage | None:
    if not isinstance(error, APIError):
        return redis_outage(redis, error)
    refusal = classify_error(error)
    return Outage(f"Telnyx: {refusal.detail}", refusal.after or 0.0) if refusal.kind == "later" else None


@asynccontextmanager
async def _showing(report: HealReport) -> AsyncIterator[None]:
    """Show a progress bar over the hours that are read, and within each over its pages."""
    begin, done = report.reached, 0

    with progress("Reading deliveries", max(1, int(report.until - begin))) as advance:

        def show(pages: int, total: int | None) -> None:
            nonlocal done
            window = min(WINDOW, report.until - report.reached)
            now = int(report.reached - begin + window * (pages / total if total else 0.0))
            advance(max(0, now - done))
            done = max(done, now)

        token = page_progress.set(show)
        try:
            yield
        finally:
            page_progress.reset(token)


def _as_object(report: HealReport, opt_outs: ListReading | None, *, act: bool) -> dict[str, Any]:
    """Return the report for machines. Of a dry run `healed` is what would be."""
    counts = {name: getattr(report, name) for name in ("deliveries", "ours", "known", "dropped", "forgotten")}
    return {
        "dry_run": not act,
        "since": _time(report.since),
        "until": _time(report.until),
        **counts,
        "messages": report.messages,
        "healed": len(report.healed),
        "types": report.types(),
        "events": [asdict(each) for each in report.healed],
        "failed": [asdict(each) for each in report.failed],
        "uncertain": report.uncertain,
        "opt_outs": None if opt_outs is None else asdict(opt_outs),
        "polls": list(POLLS) if act else [],
    }


def _show(report: HealReport, opt_outs: ListReading | None, *, act: bool) -> None:
    say(
        f"Read {report.deliveries:,} deliveries since {_time(report.since)}: {report.ours:,} to our URLs,"
        f" {report.known:,} of them known, {report.dropped:,} dropped by a person."
    )
    if report.messages:
        say(f"Asked for {report.messages:,} messages whose end did not come.")
    if opt_outs is not None:
        say(f"Opt-outs at Telnyx since then: {opt_outs.numbers:,}, new ones: {opt_outs.new:,}.")
    if report.healed:
        rows = [(each.id, each.type, each.found) for each in report.healed[:MOST_SHOWN]]
        print_table(("id", "type", "found"), rows)
        if len(report.healed) > MOST_SHOWN:
            say(f"… and {events(len(report.healed) - MOST_SHOWN)} more (--json shows all)")
    if report.uncertain:
        say(
            f"not healed: {events(len(report.uncertain))} were answered 200 over 23 hours ago, and are lost here."
            " Their messages would go out again. --uncertain heals them too.",
            err=True,
        )
    say(f"{'healed' if act else 'would be healed'}: {events(len(report.healed))}.")
    for each in report.failed:
        say(f"not healed: {each.source}: {each.reason}", err=True)


def _described(error: APIError | ListDoesNotEnd) -> str:
    return classify_error(error).detail if isinstance(error, APIError) else str(error)


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
