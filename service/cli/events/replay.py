"""`ringback events replay`."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated

import typer
from redis.asyncio import Redis

from service.cli.confirm import confirm
from service.cli.connections import with_redis
from service.cli.events.bulk import WHY_NOT, events, gathered, in_batches, report
from service.cli.events.filters import AllOption, Ids, YesSendOption, check_selection, selects_events
from service.cli.events.handler_names import check_handler
from service.cli.options import YesOption
from service.cli.output import say
from service.settings import load
from service.store.inbox.dead_letters import Replayed, replay
from service.store.inbox.search import EventFilter, matching
from service.store.keys import Keys


@selects_events
def replay_events(
    *,
    ids: Ids = None,
    selection: EventFilter,
    everything: AllOption = False,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="HANDLER", help="Run this handler only; the others stay as they ended."),
    ] = None,
    again: Annotated[
        str | None,
        typer.Option("--again", metavar="HANDLER", help="Run this handler only, and let what it sent be sent again."),
    ] = None,
    yes: YesOption = False,
    yes_send: YesSendOption = False,
) -> None:
    """Process ended events once more, with the handlers that are deployed now.

    The ledger answers calls that a handler made before: nothing is sent twice. Only --again forgets the effects of one
    handler, and counts them before it asks. Open events, and those whose body has expired, stay unchanged.

    Exit codes: 0 replayed, 1 not all that were named, not confirmed, or Redis is unreachable, 2 bad usage.
    """
    if only and again:
        raise typer.BadParameter("--again runs its handler only: leave --only out")
    check_selection(ids, selection, everything=everything)
    if again or only:
        check_handler(again or only or "")
    found = list(dict.fromkeys(ids)) if ids else with_redis(partial(_matching, selection=selection))
    step = partial(replay, handler=again or only, again=again is not None, trusted=yes_send or load().dry_run)
    counted = with_redis(partial(_run, found=found, step=partial(step, act=False), what="Counting"))
    _announce(counted, again)
    confirm("Go on?", yes=yes or not any(each.verdict == "replayed" for each in counted))
    done = with_redis(partial(_run, found=found, step=partial(step, act=True), what="Replaying"))
    report([each.verdict for each in done], "replayed", found, named=bool(ids))


async def _matching(redis: Redis, keys: Keys, *, selection: EventFilter) -> list[str]:
    return await gathered(matching(redis, keys, selection))


async def _run(
    redis: Redis, keys: Keys, *, found: list[str], step: Callable[..., Awaitable[list[Replayed]]], what: str
) -> list[Replayed]:
    return await in_batches(found, partial(step, redis, keys), what)


def _announce(counted: Sequence[Replayed], again: str | None) -> None:
    """Say, before anything is done, what it comes to."""
    verdicts = Counter(each.verdict for each in counted)
    say(f"To be replayed: {events(verdicts.pop('replayed', 0))}.", err=True)
    if again is not None:
        effects = sum(each.forgotten for each in counted)
        say(f"Effects of {again} that may happen again, with no protection against doubles: {effects:,}.", err=True)
    for verdict, count in verdicts.items():
        say(f"To stay unchanged: {events(count)} ({WHY_NOT[verdict]}).", err=True)
