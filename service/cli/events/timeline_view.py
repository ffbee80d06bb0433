"""One event as a person or a machine may see it: its story, its effects, and its body."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import typer
from redis.asyncio import Redis

from service.cli.connections import with_redis
from service.cli.events.event_list import as_object
from service.cli.output import say, say_block, say_json, say_json_text
from service.cli.tables import print_table
from service.dashboard.timeline import Line, build, in_doubt
from service.events import InvalidBody, read_object
from service.events.nested_json import dump_json, for_machines
from service.security.anonymize import masked
from service.security.encryption import MissingEncryptionKey, SealDamaged
from service.security.masking import shown_type
from service.store.connection import server_time
from service.store.effects.ledger import Entry, effects_of
from service.store.inbox.accept import find
from service.store.inbox.event_export import format_timestamp
from service.store.inbox.records import EventRecord
from service.store.keys import Keys

DOUBT = (
    "Whether an effect happened is not known. Look at Telnyx, then say it:"
    " ringback dead retry {id} --sent, or --not-sent"
)


@dataclass(frozen=True)
class Told:
    """An event, its effects and its story."""

    record: EventRecord
    effects: list[Entry]
    lines: list[Line]


def look_up(event_id: str) -> Told:
    """Find an event; where none is remembered under this id, the command ends with exit code 1."""

    async def look(redis: Redis, keys: Keys) -> Told | None:
        record = await find(redis, keys, event_id)
        if record is None:
            return None
        effects = await effects_of(redis, keys, event_id)
        return Told(record, effects, build(record, effects, await server_time(redis)))

    told = with_redis(look)
    if told is None:
        say("There is no event with this id: ringback events list shows all.", err=True)
        raise typer.Exit(1)
    return told


def show(told: Told, *, reveal: bool, as_json: bool) -> None:
    """Print it to standard output; with `reveal` the body, requests and answers unmasked."""
    if as_json:
        say_json(_as_object(told, reveal=reveal))
        return
    _print(told, reveal=reveal)
    if any(map(in_doubt, told.effects)) and told.record.state == "dead":
        say(DOUBT.format(id=told.record.id), err=True)


def _print(told: Told, *, reveal: bool) -> None:

    record = told.record
    say(record.id, f"{shown_type(record.type)}, {record.state}", "")
    print_table(("time (UTC)", "handler", "what happened"), (_row(line) for line in told.lines))
    say("", "body")
    if record.body is None:
        say(_no_body(record))
    else:
        say_json_text(dump_json(body_of(record, reveal=reveal), indent=True) + b"\n")
    if reveal:
        for entry in told.effects:
            for name, kept in (("request", entry.body), ("answer", entry.answer.body if entry.answer else None)):
                if kept:
                    say("", f"{name} of {entry.method} {entry.path}")
                    say_block(kept.decode(errors="replace"))


def _row(line: Line) -> Sequence[str]:
    return format_timestamp(line.at).replace("T", " ").rstrip("Z"), line.handler or "", line.text


def _no_body(record: EventRecord) -> str:
    if "body" in record.damaged:
        return str(SealDamaged())
    return "expired (retention)" if record.sealed_under is None else str(MissingEncryptionKey(record.sealed_under))


def body_of(record: EventRecord, *, reveal: bool) -> Any:
    """The body as JSON, masked unless `reveal`; another body only with `reveal`, as a text."""
    if record.body is None:
        return None
    try:
        content = read_object(record.body)
    except InvalidBody:
        return record.body.decode(errors="replace") if reveal else None
    return content if reveal else masked(content)


def _as_object(told: Told, *, reveal: bool) -> dict[str, Any]:
    record = told.record
    return {
        **as_object(record),
        "ended_at": None if record.ended_at is None else format_timestamp(record.ended_at),
        "arrived_by": record.arrived_by,
        "deliveries": record.deliveries,
        "story": [_line(line) for line in told.lines],
        "effects": [_effect(entry, reveal=reveal) for entry in told.effects],
        "body": for_machines(body_of(record, reveal=reveal)),
    }


def _line(line: Line) -> dict[str, Any]:
    began = {} if line.began is None else {"began": format_timestamp(line.began)}
    return {"at": format_timestamp(line.at), **began, "kind": line.kind, "handler": line.handler, "text": line.text}


def _effect(entry: Entry, *, reveal: bool) -> dict[str, Any]:
    told = {
        "handler": entry.handler,
        "method": entry.method,
        "path": entry.path,
        "recipient": entry.recipient,
        "state": entry.state,
        "in_doubt": in_doubt(entry),
        "requests": [
            {
                "at": format_timestamp(sent.at),
                "status": sent.status or None,
                "answered_at": format_timestamp(sent.answered_at),
            }
            for sent in entry.sent
        ],
        "why": entry.why or None,
    }
    if not reveal:
        return told
    answer = entry.answer.body if entry.answer else None
    texts = {"request": entry.body, "answer": answer}
    return told | {name: None if kept is None else kept.decode(errors="replace") for name, kept in texts.items()}
