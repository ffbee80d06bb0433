"""`ringback dead`."""

from typing import Annotated

import typer

from service.cli.connections import with_redis
from service.cli.events.after_retry import wait_for_end, warn_of_workers
from service.cli.events.bulk import events, report, run_job
from service.cli.events.dead_list import list_dead, show_causes
from service.cli.events.filters import AllOption, Ids, YesSendOption, check_selection, selects_dead_events
from service.cli.events.handler_names import refuse_unknown_handler
from service.cli.events.timeline_view import read_event, show
from service.cli.options import EventIdArgument, JsonOption, RevealOption, YesOption
from service.cli.output import confirm, fail
from service.settings import load
from service.store.inbox.dead_letters import OperatorVerdict
from service.store.inbox.search import EventFilter, dead_ids
from service.store.operators.bulk_jobs import JobRequest

dead = typer.Typer(help="List, retry and drop dead events.", no_args_is_help=True)


dead.command("list")(list_dead)
dead.command("causes")(show_causes)


@dead.command("show")
def show_dead(event_id: EventIdArgument, *, reveal: RevealOption = False, as_json: JsonOption = False) -> None:
    """Show the timeline of a dead event, as `ringback events show` does.

    Exit codes: 0 shown, 1 there is no such dead event or Redis is unreachable, 2 bad usage.
    """
    view = read_event(event_id)
    if view.record.state != "dead":
        fail(f"{event_id} is {view.record.state}, not dead: ringback events show {event_id}")
    show(view, reveal=reveal, as_json=as_json)


@dead.command("retry")
@selects_dead_events
def retry_dead(
    *,
    ids: Ids = None,
    selection: EventFilter,
    every: AllOption = False,
    sent: Annotated[bool, typer.Option("--sent", help="Unconfirmed effects did happen.")] = False,
    not_sent: Annotated[bool, typer.Option("--not-sent", help="Unconfirmed effects did not happen.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for their end, and say what became of them.")] = False,
    yes: YesOption = False,
    yes_send: YesSendOption = False,
) -> None:
    """Run the dead handlers of dead events again. Handlers that ended otherwise do not run.

    The history stays, and attempts are counted anew. Nothing is sent twice: the ledger answers earlier calls. A call
    that Telnyx refused is repeated, even where the reason was the recipient's STOP.

    An event with an unconfirmed effect stays unchanged until a person gives its id with --sent or --not-sent.

    Many events are a job (`ringback jobs`): new events are processed first. Ctrl-C cancels the rest of it.

    Exit codes: 0 retried, 1 not all that were named, not confirmed, or Redis is unreachable, 2 bad usage. With --wait,
    also 1 where one is dead again.
    """
    if sent and not_sent:
        raise typer.BadParameter("say either --sent or --not-sent")
    word: OperatorVerdict = "sent" if sent else "not_sent" if not_sent else ""
    if word and not ids:
        raise typer.BadParameter("--sent and --not-sent are said of events by their ids")
    selected = _selected(ids, selection, every=every)
    if selected:
        warn_of_workers()
        confirm(f"Retry {events(len(selected))}?", yes=yes)
    result = run_job(JobRequest("retry", selection, word, yes_send or load().dry_run), selected)
    try:
        report(result, "retried", named=bool(ids))
    finally:
        if wait and result is not None:
            wait_for_end(result.changed_ids())


@dead.command("drop")
@selects_dead_events
def drop_dead(*, ids: Ids = None, selection: EventFilter, every: AllOption = False, yes: YesOption = False) -> None:
    """Forget dead events for good, with all data of theirs. This cannot be undone.

    One that is delivered again is a new event. `ringback heal` does not raise it again.

    Exit codes: 0 dropped, 1 not all that were named, not confirmed, or Redis is unreachable, 2 bad usage.
    """
    selected = _selected(ids, selection, every=every)
    if selected:
        confirm(f"Forget {events(len(selected))} for good?", yes=yes)
    report(run_job(JobRequest("drop", selection, keep_ids=load().retention), selected), "dropped", named=bool(ids))


def _selected(ids: list[str] | None, selection: EventFilter, *, every: bool) -> list[str]:
    """Return the ids that were named, each once, or those of the dead events that match."""
    narrowed = EventFilter(type=selection.type, since=selection.since, until=selection.until) if ids else selection
    check_selection(ids, narrowed, every=every)
    if ids:
        return list(dict.fromkeys(ids))
    found = with_redis(lambda store: dead_ids(store, selection))
    if not found:
        refuse_unknown_handler(selection.died)
    return found
