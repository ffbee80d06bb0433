"""One event for people and for machines: its timeline, its effects, and its body."""

from typing import Any

from service.cli.connections import with_redis
from service.cli.events.event_list import as_object
from service.cli.output import fail, say, say_block, say_json, say_json_text
from service.cli.rich_output import print_table
from service.dashboard.event_view import EventView, body_of, look_at, texts_of, why_no_body
from service.dashboard.timeline import Line, in_doubt
from service.events.nested_json import dump_json, for_machines
from service.security.masking import shown_type
from service.store.effects.ledger import Entry
from service.store.inbox.transfer import format_timestamp

DOUBT = "Whether an effect happened is not known. Look at Telnyx, then: ringback dead retry {id} --sent, or --not-sent"


def read_event(event_id: str) -> EventView:
    """Return an event and its timeline. End the command with exit code 1 where there is no such event."""
    view = with_redis(lambda store: look_at(store, event_id))
    if view is None:
        fail("There is no event with this id: ringback events list shows all.")
    return view


def show(view: EventView, *, reveal: bool, as_json: bool) -> None:
    """Print an event to standard output. With `reveal` the body, requests and answers are not masked."""
    if as_json:
        say_json(_as_object(view, reveal=reveal))
        return
    _print(view, reveal=reveal)
    if any(map(in_doubt, view.effects)) and view.record.state == "dead":
        say(DOUBT.format(id=view.record.id), err=True)


def _print(view: EventView, *, reveal: bool) -> None:
    record = view.record
    say(record.id, f"{shown_type(record.type)}, {record.state}", "")
    rows = [(format_timestamp(line.at)[:-1].replace("T", " "), line.handler or "", line.text) for line in view.lines]
    print_table(("time (UTC)", "handler", "what happened"), rows)
    say("", "body")
    if record.body is None:
        say(why_no_body(record))
    else:
        say_json_text(dump_json(body_of(record, reveal=reveal), indent=True) + b"\n")
    for entry in view.effects if reveal else ():
        for name, text in texts_of(entry).items():
            if text:
                say("", f"{name} of {entry.method} {entry.path}")
                say_block(text)


def _as_object(view: EventView, *, reveal: bool) -> dict[str, Any]:
    record = view.record
    return {
        **as_object(record),
        "ended_at": None if record.ended_at is None else format_timestamp(record.ended_at),
        "arrived_by": record.arrived_by,
        "deliveries": record.deliveries,
        "story": [_line(line) for line in view.lines],
        "effects": [_effect(entry, reveal=reveal) for entry in view.effects],
        "body": for_machines(body_of(record, reveal=reveal)),
    }


def _line(line: Line) -> dict[str, Any]:
    began = {} if line.began is None else {"began": format_timestamp(line.began)}
    return {"at": format_timestamp(line.at), **began, "kind": line.kind, "handler": line.handler, "text": line.text}


def _effect(entry: Entry, *, reveal: bool) -> dict[str, Any]:
    when = format_timestamp
    sent = [{"at": when(it.at), "status": it.status or None, "answered_at": when(it.answered_at)} for it in entry.sent]
    shown = {name: getattr(entry, name) for name in ("handler", "method", "path", "recipient", "state")}
    shown |= {"in_doubt": in_doubt(entry), "requests": sent, "why": entry.why or None}
    return shown | (texts_of(entry) if reveal else {})
