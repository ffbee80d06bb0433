"""`ringback audit log`."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from service.cli.connections import with_redis
from service.cli.events.filters import SinceOption, UntilOption
from service.cli.options import JsonOption, LimitOption
from service.cli.output import say, say_json
from service.cli.rich_output import Cell, print_table
from service.store.inbox.transfer import format_timestamp
from service.store.operators.audit_log import MAX_ENTRIES, AuditEntry, audit_entries

ActorOption = Annotated[str | None, typer.Option("--actor", metavar="NAME", help="Only of this person.")]
ActionOption = Annotated[str | None, typer.Option("--action", metavar="COMMAND", help="Such as dead, or dead retry.")]


def show_log(
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    actor: ActorOption = None,
    action: ActionOption = None,
    limit: LimitOption = MAX_ENTRIES,
    as_json: JsonOption = False,
) -> None:
    """List who changed or revealed what, by command or on the dashboard, the newest first.

    Each entry was written before its action began. Numbers are masked. The latest 50,000 entries are kept.

    Exit codes: 0 listed, 1 Redis is unreachable, 2 bad usage.
    """
    found = with_redis(
        lambda store: audit_entries(store, since=since, until=until, actor=actor, action=action, limit=limit)
    )
    if as_json:
        say_json([asdict(each) | {"at": format_timestamp(each.at)} for each in found])
    elif found:
        print_table(("time (UTC)", "who", "by", "what", "about"), map(_row, found))
    else:
        say("No action is on record.", err=True)


def _row(entry: AuditEntry) -> tuple[Cell, ...]:
    at = format_timestamp(entry.at)[:19].replace("T", " ")
    return at, entry.actor, entry.by, entry.action, [_in_words(*each) for each in entry.about.items()]


def _in_words(name: str, value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if name == "asked" else f"{name}: {text}"
