"""`ringback audit`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import orjson
import typer
from redis.asyncio import Redis

from service.cli.session import ask
from service.store.audit import Audit
from service.store.audit import audit as compare
from service.store.audit import repair as put_right
from service.store.keys import Keys

MOVED = "Events came and went during every full count: only what can be read in one moment was compared with it."
ADVICE = (
    "Something other than Ringback changed what it keeps: look for evicted keys (maxmemory-policy must be noeviction),"
    " a backup that was restored, or commands given by hand. A write that Redis refused half-way shows here too."
    " `ringback audit --repair` puts events where their records say they belong, and counts anew."
)


def audit(
    as_json: Annotated[bool, typer.Option("--json", help="Print an object for machines.")] = False,  # noqa: FBT002
    repair: Annotated[bool, typer.Option("--repair", help="Put right what differs, then look again.")] = False,  # noqa: FBT002
) -> None:
    """Show that no event got lost: accepted = done + ignored + dead + open, and each event is where it belongs.

    Compares the counters with a full count, and each event's state and place in the queue with its record.

    Changes nothing without --repair, and may run under load: what differs is looked at again before it is named.

    Exit codes: 0 nothing differs, 1 something does (named on standard error) or Redis cannot be had, 2 bad usage.
    """
    found = ask(_repaired if repair else _audit)
    typer.echo(orjson.dumps(_as_object(found)) if as_json else _as_sum(found))
    for remark in _remarks(found):
        typer.echo(remark, err=True)
    if not found.clean:
        raise typer.Exit(1)


async def _audit(redis: "Redis", keys: Keys) -> Audit:
    with _progress() as looked_at:
        return await compare(redis, keys, looked_at=looked_at)


async def _repaired(redis: "Redis", keys: Keys) -> Audit:
    found = await _audit(redis, keys)
    if found.clean:
        return found
    await put_right(redis, keys, found)
    return await _audit(redis, keys)


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """Show on a terminal how many events were looked at."""
    from rich.console import Console  # noqa: PLC0415 - other commands start without it

    looked_at = 0

    def advance(more: int) -> None:
        nonlocal looked_at
        looked_at += more
        status.update(f"Looking at events: {looked_at}")

    with Console(stderr=True).status("Looking at events") as status:
        yield advance


def _as_object(found: Audit) -> dict[str, object]:
    return {**asdict(found.totals.counters), "difference": [each.event_id for each in found.differences]}


def _as_sum(found: Audit) -> str:
    known = found.totals.counters
    return (
        f"{known.accepted} accepted = {known.done} done + {known.ignored} ignored + {known.dead} dead"
        f" + {known.open} open\n{len(found.differences)} differ"
    )


def _remarks(found: Audit) -> Iterator[str]:
    for each in found.differences:
        yield f"{each.event_id}: {'; '.join(each.findings)}"
    yield from found.contradictions
    if not found.counted:
        yield MOVED
    if not found.clean:
        yield ADVICE
