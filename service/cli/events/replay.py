"""`ringback events replay`."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer
from redis.asyncio import Redis

from service.cli.connections import with_redis
from service.cli.events.bulk import WHY_NOT, confirm, events, gathered, in_batches, report
from service.cli.events.filters import (
    AllOption,
    HandlerOption,
    Ids,
    NumberOption,
    SinceOption,
    StateOption,
    TypeOption,
    UntilOption,
    YesSendOption,
    check_selection,
    wanted,
)
from service.cli.events.handler_names import check_handler
from service.cli.options import YesOption
from service.cli.output import say
from service.settings import load
from service.store.inbox.dead_letters import Replayed, replay
from service.store.inbox.search import matching
from service.store.keys import Keys


def replay_events(
    *,
    ids: Ids = None,
    state: StateOption = None,
    event_type: TypeOption = None,
    handler: HandlerOption = None,
    number: NumberOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
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
    name = again or only
    selection = wanted(state=state, event_type=event_type, handler=handler, number=number, since=since, until=until)
    check_selection(ids, selection, everything=everything)
    if name is not None:
        check_handler(name)
    trusted = yes_send or load().dry_run

    async def find_and_count(redis: Redis, keys: Keys) -> tuple[list[str], list[Replayed]]:
        found = list(dict.fromkeys(ids)) if ids else await gathered(matching(redis, keys, selection))
        return found, await run(redis, keys, found, act=False)

    async def run(redis: Redis, keys: Keys, found: list[str], *, act: bool) -> list[Replayed]:
        async def step(some: Sequence[str]) -> list[Replayed]:
            return await replay(redis, keys, some, handler=name, again=again is not None, trusted=trusted, act=act)

        return await in_batches(found, step, "Replaying" if act else "Counting")

    found, counted = with_redis(find_and_count)
    _announce(counted, again)
    confirm("Go on?", yes=yes or not any(each.verdict == "replayed" for each in counted))
    done = with_redis(lambda redis, keys: run(redis, keys, found, act=True))
    report([each.verdict for each in done], "replayed", found, named=bool(ids))


def _announce(counted: Sequence[Replayed], again: str | None) -> None:
    """Say, before anything is done, what it comes to."""
    verdicts = Counter(each.verdict for each in counted)
    say(f"To be replayed: {events(verdicts.pop('replayed', 0))}.", err=True)
    if again is not None:
        effects = sum(each.forgotten for each in counted)
        say(f"Effects of {again} that may happen again, with no protection against doubles: {effects:,}.", err=True)
    for verdict, count in verdicts.items():
        say(f"To stay unchanged: {events(count)} ({WHY_NOT[verdict]}).", err=True)
