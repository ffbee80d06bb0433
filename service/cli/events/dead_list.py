"""`ringback dead list` and `ringback dead causes`."""

from dataclasses import asdict
from typing import Any

from service.cli.connections import with_redis
from service.cli.events.bulk import events
from service.cli.events.event_list import show_events
from service.cli.events.filters import selects_dead_events
from service.cli.events.handler_names import refuse_unknown_handler
from service.cli.options import JsonOption, LimitOption
from service.cli.output import say, say_json
from service.cli.rich_output import print_table
from service.store.inbox.accept import counts, summaries
from service.store.inbox.records import EventRecord
from service.store.inbox.search import EventFilter, dead_ids
from service.store.inbox.transfer import format_timestamp
from service.store.operators.issues import Issue, read_issues
from service.store.store import Store

MOST_CAUSES = 10


@selects_dead_events
def list_dead(*, selection: EventFilter, limit: LimitOption = 50, as_json: JsonOption = False) -> None:
    """List dead events by the time of their end, the newest first, with the error that ended each.

    Times are those of death. The last line says how many there are in all, and for what causes.

    Exit codes: 0 listed, 1 Redis is unreachable, 2 bad usage, or there is no such handler.
    """

    async def find_them(store: Store) -> tuple[list[EventRecord], list[str]]:
        found = await summaries(store, await dead_ids(store, selection, limit=limit))
        return found, await _totals(store, selection, len(found)) if found and not as_json else []

    found, totals = with_redis(find_them)
    if not found:
        refuse_unknown_handler(selection.died)
    none = "No event is dead." if selection == EventFilter() else "No dead event matches."
    show_events(found, as_json=as_json, none=none)
    if totals:
        say(*totals, err=True)


def show_causes(*, as_json: JsonOption = False) -> None:
    """List why events are dead: each handler and reason, with their number, their first and last death.

    Exit codes: 0 listed, 1 Redis is unreachable, 2 bad usage.
    """
    found = [each for each in with_redis(read_issues) if each.count]
    if as_json:
        say_json([_as_object(each) for each in found])
    elif found:
        print_table(("handler", "reason", "events", "first (UTC)", "last (UTC)", "state"), map(_row, found))
    else:
        say("No event is dead.", err=True)


async def _totals(store: Store, selection: EventFilter, shown: int) -> list[str]:
    """Return how many dead events match in all, and where no other filter narrows them, for what causes."""
    by_cause = EventFilter(died=selection.died, reason=selection.reason) == selection
    number = (await counts(store)).dead if selection == EventFilter() else len(await dead_ids(store, selection))
    issues = await read_issues(store) if by_cause else []
    wanted = [
        f"{each.handler} ({each.reason or 'no reason'}): {each.count:,}"
        for each in issues
        if each.count and selection.died in (None, each.handler) and selection.reason in (None, each.reason)
    ]
    more = [f"and {len(wanted) - MOST_CAUSES} other causes"] if len(wanted) > MOST_CAUSES else []
    causes = [f"By cause: {', '.join(wanted[:MOST_CAUSES] + more)}."] if wanted else []
    return [f"Dead in all: {events(number)}, {shown:,} shown.", *causes]


def _as_object(issue: Issue) -> dict[str, Any]:
    told = asdict(issue) | {"state": issue.state}
    return told | {name: format_timestamp(at) for name, at in told.items() if name.endswith("_at") and at is not None}


def _row(issue: Issue) -> tuple[str, ...]:
    first, last = (format_timestamp(at or 0)[:19].replace("T", " ") for at in (issue.first_at, issue.last_at))
    return issue.handler, issue.reason or "-", f"{issue.count:,}", first, last, issue.state
