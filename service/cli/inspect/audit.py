"""`ringback audit`."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from service.cli.connections import with_redis
from service.cli.inspect.audit_log import show_log
from service.cli.on_record import put_on_record
from service.cli.options import JsonOption
from service.cli.output import say, say_json
from service.cli.rich_output import progress
from service.store.inbox.audit import Audit
from service.store.inbox.audit import audit as compare
from service.store.inbox.audit import repair as put_right
from service.store.store import Store

MOVED = "Events came and went during every full count: it was compared only with numbers that are read in one moment."
ADVICE = (
    "Something other than Ringback changed its data. Look for evicted keys (maxmemory-policy must be noeviction),"
    " a restored backup, or commands given by hand. A write that Redis refused half-way shows here too."
    " `ringback audit --repair` puts events where their records say they belong, and counts anew."
)
RepairOption = Annotated[bool, typer.Option("--repair", help="Repair the differences, then look again.")]


audit = typer.Typer(invoke_without_command=True)
audit.command("log")(show_log)


@audit.callback()
def audit_events(context: typer.Context, *, as_json: JsonOption = False, repair: RepairOption = False) -> None:
    """Show that no event got lost: accepted = done + ignored + dead + open.

    Compares the counters with a full count, and each event's state and place in the queue with its record.

    Changes nothing without --repair, and may run under load: it looks at each difference again before it names it.

    Exit codes: 0 nothing differs, 1 something does (named on standard error) or Redis is unreachable, 2 bad usage.
    """
    if context.invoked_subcommand is not None:
        return
    if repair:
        put_on_record()
    found = with_redis(_repaired if repair else _audit)
    known = found.totals.counters
    if as_json:
        say_json({**asdict(known), "difference": [each.event_id for each in found.differences]}, indent=False)
    else:
        ended = f"{known.done} done + {known.ignored} ignored + {known.dead} dead"
        say(f"{known.accepted} accepted = {ended} + {known.open} open", f"{len(found.differences)} differ")
    for remark in _remarks(found):
        say(remark, err=True)
    if not found.clean:
        raise typer.Exit(1)


async def _audit(store: Store) -> Audit:
    with progress("Reading events", None) as looked_at:
        return await compare(store, looked_at=looked_at)


async def _repaired(store: Store) -> Audit:
    found = await _audit(store)
    if found.clean:
        return found
    await put_right(store, found)
    return await _audit(store)


def _remarks(found: Audit) -> Iterator[str]:
    for each in found.differences:
        yield f"{each.event_id}: {'; '.join(each.findings)}"
    yield from found.contradictions
    if not found.counted:
        yield MOVED
    if not found.clean:
        yield ADVICE
