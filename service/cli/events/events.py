"""`ringback events`."""

import typer

from service.cli.connections import with_redis
from service.cli.events.event_list import show_events
from service.cli.events.filters import selects_listed_events
from service.cli.events.follow import follow
from service.cli.events.handler_names import refuse_unknown_handler
from service.cli.events.replay import replay_events
from service.cli.events.shadow import shadow_events
from service.cli.events.timeline_view import read_event, show
from service.cli.events.transfer import export_events, import_events
from service.cli.options import EventIdArgument, JsonOption, LimitOption, RevealOption
from service.cli.output import say
from service.cli.rich_output import progress
from service.store.inbox.records import EventRecord
from service.store.inbox.search import EventFilter, ScanBudget, search
from service.store.store import Store

MOST_LOOKED_AT = 250_000

events = typer.Typer(help="List received events, with the state of each handler.", no_args_is_help=True)


@events.command("list")
@selects_listed_events
def list_events(*, selection: EventFilter, limit: LimitOption = 50, as_json: JsonOption = False) -> None:
    """List events by the time of their arrival, the newest first, with the state of each handler.

    Where few events match, only the newest 250,000 candidates are read. --until goes further back. Periodic events are
    hidden, unless --crons or --type asks for them.

    Exit codes: 0 listed, 1 Redis is unreachable, 2 bad usage, or there is no such handler.
    """
    effort = ScanBudget(most=MOST_LOOKED_AT)

    async def find_them(store: Store) -> list[EventRecord]:
        with progress("Reading events", None) as effort.tell:
            return await search(store, selection, limit=limit, effort=effort)

    found = with_redis(find_them)
    if not found:
        refuse_unknown_handler(selection.handler)
    is_all = selection in (EventFilter(), EventFilter(without_crons=True))
    show_events(found, as_json=as_json, none="No events yet." if is_all else "No event matches.")
    if effort.is_enough and len(found) < limit:
        say(f"Only the newest {effort.spent:,} events were looked at: give --until to go further back.", err=True)


@events.command("show")
def show_event(event_id: EventIdArgument, *, reveal: RevealOption = False, as_json: JsonOption = False) -> None:
    """Show the timeline of an event: deliveries, runs, waits, effects, and operators' commands, to the millisecond.

    Exit codes: 0 shown, 1 there is no such event or Redis is unreachable, 2 bad usage.
    """
    show(read_event(event_id), reveal=reveal, as_json=as_json)


events.command("follow")(follow)
events.command("replay")(replay_events)
events.command("shadow")(shadow_events)
events.command("export")(export_events)
events.command("import")(import_events)
