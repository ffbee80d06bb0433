"""`ringback webhooks`."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Annotated

import typer
from redis.asyncio import Redis
from telnyx import APIError, AsyncTelnyx

from service.cli.confirm import confirm
from service.cli.options import JsonOption, YesOption
from service.cli.output import say, say_json
from service.cli.telnyx.telnyx_session import at_telnyx_and_redis, with_telnyx
from service.cli.telnyx.webhook_deliveries import deliveries
from service.cli.telnyx.webhook_list import (
    comparison_as_json,
    show_changes,
    show_comparisons,
    show_toll_free,
    toll_free_as_json,
)
from service.outbound.errors import classify_error
from service.registrations.webhook_probe import Unanswered
from service.registrations.webhook_repair import Kept, NotTaken, kept_changes, let_go, mend, refuse_dead_ends, take_back
from service.registrations.webhook_urls import (
    Comparison,
    Declared,
    Destination,
    TollFreeUrl,
    all_destinations,
    find_destination,
    toll_free_urls,
)
from service.settings import Settings, load
from service.store.keys import Keys

webhooks = typer.Typer(help="See and change where Telnyx delivers.", no_args_is_help=True)


@webhooks.command("plan")
def plan(
    *,
    as_json: JsonOption = False,
) -> None:
    """Compare every RCS agent and messaging profile with RINGBACK_PUBLIC_URL and RINGBACK_FAILOVER_URL.

    Changes nothing. RINGBACK_MANAGE names what is ours to change; toll-free requests are only listed.

    Exit codes: 0 all in step, 1 something differs or Telnyx refuses, 2 bad usage.
    """
    settings = load()
    declared = settings.require_public_url()
    compared, toll_free = with_telnyx(settings, lambda telnyx: _look(telnyx, settings))
    if as_json:
        rows = [comparison_as_json(each) for each in compared]
        rows += [toll_free_as_json(each, declared) for each in toll_free]
        say_json(rows)
    else:
        show_comparisons(compared)
        show_toll_free(toll_free, declared)
    if _tell_unknown_ids(settings, compared) or any(each.state == "drift" for each in compared):
        raise typer.Exit(1)


@webhooks.command("apply")
def apply(*, yes: YesOption = False) -> None:
    """Change what is ours and differs, keep what stood there, and make sure of each change.

    Refuses a URL that is not https, or at which no Ringback answers.

    Exit codes: 0 all in step, 1 refused, not confirmed or not all done, 2 bad usage.
    """
    settings = load()
    compared, _ = with_telnyx(settings, lambda telnyx: _look(telnyx, settings))
    drifted = [each for each in compared if each.state == "drift"]
    _tell_unknown_ids(settings, compared)
    if not drifted:
        say("Nothing of ours differs.")
        return
    show_comparisons(drifted)
    _refuse_dead_ends(settings)
    confirm(f"Change this at Telnyx ({len(drifted)} in all)?", yes=yes, dry_run=settings.dry_run)
    if not at_telnyx_and_redis(settings, lambda telnyx, redis, keys: _mend(telnyx, redis, keys, drifted)):
        raise typer.Exit(1)


@webhooks.command("undo")
def undo(
    *,
    yes: YesOption = False,
    force: Annotated[bool, typer.Option("--force", help="Also where somebody else has changed it since.")] = False,
) -> None:
    """Put back what stood there before the latest change of ours, by `apply` or by a repair.

    Exit codes: 0 all put back, 1 not confirmed or not all done, 2 bad usage.
    """
    settings = load()
    found = at_telnyx_and_redis(settings, _kept_with_current)
    ready = [(kept, current) for kept, current in found if force or not kept.was_touched(current)]
    for kept, current in found:
        if (kept, current) in ready:
            changes = [(name, current.values[name], value) for name, value in kept.before.items()]
            show_changes(f"{kept.kind} {kept.id} ({kept.name}): to be put back", changes)
        else:
            say(f"{kept.kind} {kept.id} was changed by somebody else since: --force puts it back", err=True)
    if not found:
        say("Nothing to put back.")
    if ready:
        confirm(f"Put this back at Telnyx ({len(ready)} in all)?", yes=yes, dry_run=settings.dry_run)
    done = at_telnyx_and_redis(settings, lambda telnyx, redis, keys: _take_back(telnyx, redis, keys, ready))
    if not done or len(ready) < len(found):
        raise typer.Exit(1)


async def _look(telnyx: AsyncTelnyx, settings: Settings) -> tuple[list[Comparison], list[TollFreeUrl]]:

    declared = Declared.of(settings)
    compared = [declared.compare(each) for each in await all_destinations(telnyx)]
    return compared, await toll_free_urls(telnyx)


def _tell_unknown_ids(settings: Settings, compared: Sequence[Comparison]) -> bool:
    """Tell of ids that RINGBACK_MANAGE names in vain; answers whether there are any."""
    named = (settings.managed_ids() or frozenset()) - {"*"}
    unknown = sorted(named - {each.destination.id for each in compared})
    for each in unknown:
        say(f"RINGBACK_MANAGE names {each}: the account has no such agent or messaging profile", err=True)
    return bool(unknown)


def _refuse_dead_ends(settings: Settings) -> None:

    try:
        asyncio.run(refuse_dead_ends(settings))
    except Unanswered as error:
        say(f"{error}. Nothing was changed.", err=True)
        raise typer.Exit(1) from None


async def _kept_with_current(telnyx: AsyncTelnyx, redis: Redis, keys: Keys) -> list[tuple[Kept, Destination]]:
    """Our changes beside what stands there now; those to what is gone are forgotten."""
    found = []
    for kept in await kept_changes(redis, keys):
        current = await find_destination(telnyx, kept.kind, kept.id)
        if current is None:
            await let_go(redis, keys, kept)
            say(f"{kept.kind} {kept.id} is gone from the account")
        else:
            found.append((kept, current))
    return found


async def _mend(telnyx: AsyncTelnyx, redis: Redis, keys: Keys, drifted: Sequence[Comparison]) -> bool:

    return all([await _told(each.destination.key, "changed", mend(telnyx, redis, keys, each)) for each in drifted])


async def _take_back(telnyx: AsyncTelnyx, redis: Redis, keys: Keys, ready: Sequence[tuple[Kept, Destination]]) -> bool:

    return all([await _told(kept.key, "put back", take_back(telnyx, redis, keys, kept, now)) for kept, now in ready])


async def _told(key: str, done: str, change: Awaitable[None]) -> bool:
    """Make one change and tell how it went; one that fails is no reason to leave out the others."""
    what = key.replace(":", " ", 1)
    try:
        await change
    except (APIError, NotTaken) as error:
        why = classify_error(error).detail if isinstance(error, APIError) else str(error)
        say(f"{what} not {done}: {why}", err=True)
        return False
    say(f"{what} {done}")
    return True


webhooks.command("deliveries")(deliveries)
