"""One event for people and for machines: its timeline, its effects, and its body."""

from dataclasses import dataclass
from typing import Any

from service.cli.connections import with_redis
from service.cli.events.event_list import as_object
from service.cli.output import fail, print_table, say, say_block, say_json, say_json_text
from service.dashboard.timeline import Line, build, in_doubt
from service.events import InvalidBody, read_object
from service.events.nested_json import dump_json, for_machines
from service.security.anonymize import masked
from service.security.encryption import MissingEncryptionKey, SealDamaged
from service.security.masking import shown_type
from service.store.connection import server_time
from service.store.effects.ledger import Entry, effects_of
from service.store.inbox.accept import find
from service.store.inbox.records import EventRecord
from service.store.inbox.transfer import format_timestamp
from service.store.store import Store

DOUBT = "Whether an effect happened is not known. Look at Telnyx, then: ringback dead retry {id} --sent, or --not-sent"


@dataclass(frozen=True)
class EventView:
    """An event, its effects and its timeline."""

    record: EventRecord
    effects: list[Entry]
    lines: list[Line]


def read_event(event_id: str) -> EventView:
    """Return an event and its timeline. End the command with exit code 1 where there is no such event."""

    async def look(store: Store) -> EventView | None:
        record = await find(store, event_id)
        if record is None:
            return None
        effects = await effects_of(store, event_id)
        return EventView(record, effects, build(record, effects, await server_time(store.redis)))

    view = with_redis(look)
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
        say(_no_body(record))
    else:
        say_json_text(dump_json(body_of(record, reveal=reveal), indent=True) + b"\n")
    for entry in view.effects if reveal else ():
        for name, text in _texts(entry).items():
            if text:
                say("", f"{name} of {entry.method} {entry.path}")
                say_block(text)


def _no_body(record: EventRecord) -> str:
    if "body" in record.damaged:
        return str(SealDamaged())
    return "expired (retention)" if record.sealed_under is None else str(MissingEncryptionKey(record.sealed_under))


def body_of(record: EventRecord, *, reveal: bool) -> Any:
    """Return the body as JSON, masked unless `reveal`. Return a body that is no JSON only with `reveal`, as a text."""
    if record.body is None:
        return None
    try:
        content = read_object(record.body)
    except InvalidBody:
        return record.body.decode(errors="replace") if reveal else None
    return content if reveal else masked(content)


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
    return shown | (_texts(entry) if reveal else {})


def _texts(entry: Entry) -> dict[str, str | None]:
    """Return what is kept of the request and of the answer."""
    kept = {"request": entry.body, "answer": entry.answer.body if entry.answer else None}
    return {name: None if body is None else body.decode(errors="replace") for name, body in kept.items()}
