"""`ringback events replay`."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer

from service.cli.connections import with_redis
from service.cli.events.after_retry import warn_of_workers
from service.cli.events.bulk import events, in_batches, report, run_job
from service.cli.events.filters import AllOption, Ids, YesSendOption, check_selection, selects_events
from service.cli.options import YesOption
from service.cli.output import confirm, fail, say
from service.settings import load
from service.store.inbox.dead_letters import Replayed
from service.store.inbox.search import EventFilter, matching
from service.store.operators.bulk_jobs import WHY_NOT, JobRequest
from service.store.operators.job_runner import replay_as
from service.store.store import Store
from service.worker.load_router import load_router, subscribed_types


@selects_events
def replay_events(
    *,
    ids: Ids = None,
    selection: EventFilter,
    every: AllOption = False,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="HANDLER", help="Run this handler only. The others stay as they ended."),
    ] = None,
    again: Annotated[
        str | None,
        typer.Option("--again", metavar="HANDLER", help="Run this handler only, and let what it sent be sent again."),
    ] = None,
    yes: YesOption = False,
    yes_send: YesSendOption = False,
) -> None:
    """Process ended events again, with the handlers that are deployed now.

    The ledger answers calls that a handler made before: nothing is sent twice. Only --again forgets the effects of one
    handler, and counts them before it asks. One handler runs on events of its own types alone. Open events, and those
    whose body has expired, stay unchanged.

    Exit codes: 0 replayed, 1 not all that were named, not confirmed, or Redis is unreachable, 2 bad usage.
    """
    if only and again:
        raise typer.BadParameter("--again runs its handler only: leave --only out")
    check_selection(ids, selection, every=every)
    handler = again or only
    types = _types_of(handler) if handler else None
    found = list(dict.fromkeys(ids or with_redis(lambda store: _matching(store, selection))))

    request = JobRequest("replay", selection, "", yes_send or load().dry_run, handler, again is not None, types=types)
    counted = _counted(request, found)
    _announce(counted, again)
    number = sum(each.verdict == "replayed" for each in counted)
    if number:
        warn_of_workers()
        confirm(f"Replay {events(number)}?", yes=yes)
    report(run_job(request, found), "replayed", named=bool(ids))


def _counted(request: JobRequest, ids: list[str]) -> list[Replayed]:
    """Return what a replay would do with each event. Nothing is changed."""
    return with_redis(lambda store: in_batches(ids, partial(replay_as, store, request), "Counting"))


async def _matching(store: Store, selection: EventFilter) -> list[str]:
    return [event_id async for page in matching(store, selection) for event_id in page]


def _announce(counted: Sequence[Replayed], again: str | None) -> None:
    """Say what a replay would change, before it changes anything."""
    verdicts = Counter(each.verdict for each in counted)
    say(f"To be replayed: {events(verdicts.pop('replayed', 0))}.", err=True)
    if again is not None:
        effects = sum(each.forgotten for each in counted)
        say(f"Effects of {again} that may happen again, with no protection against doubles: {effects:,}.", err=True)
    for verdict, count in verdicts.items():
        say(f"To stay unchanged: {events(count)} ({WHY_NOT[verdict]}).", err=True)


def _types_of(name: str) -> tuple[str, ...]:
    """Return the event types of a handler. End the command with exit code 2 where HANDLERS lacks it."""
    settings = load()
    types = subscribed_types(load_router(settings.handlers), settings)
    if name not in types:
        fail(f"HANDLERS has no handler {name!r}, it has {', '.join(sorted(types))}", code=2)
    return types[name]
