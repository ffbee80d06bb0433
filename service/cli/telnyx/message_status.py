"""`ringback messages status`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import typer
from telnyx import AsyncTelnyx

from service import clock
from service.cli.connections import with_redis
from service.cli.masked_output import show_list, shown
from service.cli.options import JsonOption, RevealOption, number_or_short_code
from service.cli.output import fail
from service.cli.rich_output import progress
from service.cli.telnyx.session import with_telnyx
from service.events.message import read_message_status
from service.events.phone_number import canonical_number
from service.messages.fallback_sending import read_message_at_telnyx
from service.store.facts.message_status import MessageRecipient, is_delivered, status_by_number, status_of_message
from service.store.store import Store

COLUMNS = "message, type, to, status, delivered, since (UTC), source"
_WORDS = {True: "yes", False: "no", None: "not known"}

Subject = Annotated[str, typer.Argument(metavar="NUMBER|ID", help="A number such as +13125550001, or a message's id.")]


def status(
    subject: Subject,
    *,
    read: Annotated[bool, typer.Option("--read", help="Also read unfinished messages at Telnyx.")] = False,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """Show the last known status of a message or of all messages to a number, with its source and time.

    A message that Telnyx has accepted or sent is not delivered. `delivered` is `yes` only after a delivery or a read.
    States are kept for RINGBACK_RETENTION.

    Exit codes: 0 shown, 1 the message is not known, Telnyx refuses, or no Redis, 2 bad usage.
    """
    number = number_or_short_code(subject) if canonical_number(subject) or not _may_be_id(subject) else None
    found = with_redis(lambda store: _of_number(store, number) if number else status_of_message(store, subject))
    if read:
        ids = [each.message_id for each in found if each.delivered is None] if found or number else [subject]
        found = _newest([*found, *with_telnyx(lambda telnyx: _readings(telnyx, list(dict.fromkeys(ids)), number))])
    if not found and not number:
        more = "Telnyx does not show it either" if read else f"ringback messages status {subject} --read asks Telnyx"
        fail(f"no state of this message is kept here: {more}")
    rows: Sequence[Any] = [_as_object(each) for each in found] if as_json else found
    none = "No message to this number is known here."
    show_list(rows, COLUMNS, partial(_row, reveal=reveal), none, as_json=as_json, reveal=reveal)


def _may_be_id(subject: str) -> bool:
    return bool(subject.strip()) and not subject.strip().startswith("+")


async def _of_number(store: Store, number: str) -> list[MessageRecipient]:
    with progress("Looking through messages", None) as advance:
        found = [each async for each in status_by_number(store, number, progress=advance)]
    return sorted(found, key=lambda each: (each.at or 0.0, each.message_id), reverse=True)


async def _readings(telnyx: AsyncTelnyx, ids: Sequence[str], number: str | None) -> list[MessageRecipient]:
    """Return what Telnyx shows of these messages now."""
    found = []
    for message_id in ids:
        message = await read_message_at_telnyx(telnyx, message_id)
        payload = {} if message is None else {**message, "id": message_id}
        state = read_message_status("message.finalized", payload)
        for each in () if state is None else state.recipients:
            if number is None or each.number == number:
                types = (state.type,) if state is not None and state.type else ()
                known = (each.status or "unknown", clock.now(), None, True, each.carrier or None)
                found.append(MessageRecipient(message_id, types, each.number, *known))
    return found


def _newest(found: Sequence[MessageRecipient]) -> list[MessageRecipient]:
    """Return each recipient once: as a reading shows it, which is later than what was kept."""
    by_recipient: dict[tuple[str, str | None], MessageRecipient] = {}
    for each in found:
        by_recipient[each.message_id, each.number] = each
    return list(by_recipient.values())


def _as_object(each: MessageRecipient) -> dict[str, Any]:
    return {
        "message": each.message_id,
        "types": list(each.types),
        "to": each.number,
        "status": each.status,
        "delivered": is_delivered(each.status),
        "at": None if each.at is None else datetime.fromtimestamp(each.at, UTC).isoformat(timespec="milliseconds"),
        "source": _source(each),
        "event": each.event,
        "carrier": each.carrier,
        "sent_instead_by": each.instead,
    }


def _source(each: MessageRecipient) -> str:
    return "reading" if each.is_reading else "unknown" if each.event is None else "event"


def _row(each: MessageRecipient, *, reveal: bool) -> tuple[str, ...]:
    since = "-" if each.at is None else f"{datetime.fromtimestamp(each.at, UTC):%Y-%m-%d %H:%M:%S}"
    source = f"event {each.event}" if each.event else "GET /messages/{id}" if each.is_reading else "-"
    more = ", an SMS was sent in its place" if each.instead else ""
    to = shown(each.number, reveal=reveal)
    return (
        each.message_id,
        ", ".join(each.types) or "-",
        to,
        each.status,
        _WORDS[is_delivered(each.status)] + more,
        since,
        source,
    )
