"""`ringback messages`."""

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

import typer
from telnyx import AsyncTelnyx

from service import clock
from service.cli.connections import load_for_change
from service.cli.masked_output import print_json, show_list, shown
from service.cli.options import E164Argument, JsonOption, LimitOption, RevealOption, YesOption, e164
from service.cli.output import confirm, say
from service.cli.telnyx.message_assistant import assistant
from service.cli.telnyx.message_sending import group, send
from service.cli.telnyx.message_status import status
from service.cli.telnyx.session import check_sms, first_rows, sender_of, with_telnyx, with_telnyx_and_redis
from service.store.store import Store

messages = typer.Typer(help="Look at messages at Telnyx, send and schedule them.", no_args_is_help=True)

MessageId = Annotated[str, typer.Argument(help="The message's id.")]

SOONEST, LATEST = timedelta(minutes=5), timedelta(days=5)
"""How far ahead a message may be scheduled. Source: OpenAPI `CreateScheduledMessageRequest`."""
RANGES = "today, yesterday, this_week, last_week, this_month or last_N_days"
_RANGE = re.compile(r"today|yesterday|(this|last)_(week|month)|last_[1-9]\d{0,2}_days")
"""Source: SDK, `detail_record_list_params`."""
_NAMES = ("uuid", "created_at", "message_type", "status")
_PRIVATE = frozenset({"text", "subject", "body", "media"})


@messages.command("list")
def list_messages(
    *,
    number: Annotated[str | None, typer.Option(help="Only messages to this number.", parser=e164)] = None,
    range_: Annotated[str, typer.Option("--range", help=RANGES)] = "today",
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """List Telnyx's records of messages that have ended, the newest first. A message under way is not among them.

    Exit codes: 0 listed, 1 Telnyx refuses or cannot be reached, 2 bad usage.
    """
    if not _RANGE.fullmatch(range_):
        raise typer.BadParameter(f"--range: {RANGES}")
    wanted: Any = {"record_type": "messaging", "date_range": range_} | ({"cld": number} if number else {})
    rows = with_telnyx(
        lambda telnyx: first_rows(
            telnyx.detail_records.list(filter=wanted, page_size=50, sort=["-created_at"]), "detail records", limit
        )
    )
    columns, none = "id, created (UTC), type, from, to, status", "There are no such messages."
    show_list(rows, columns, partial(_row, reveal=reveal), none, as_json=as_json, reveal=reveal)


@messages.command("show")
def show(message_id: MessageId, *, reveal: RevealOption = False) -> None:
    """Show a message of the last ten days as JSON, its text only with --reveal.

    Exit codes: 0 shown, 1 there is none, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    answer = with_telnyx(lambda telnyx: telnyx.messages.retrieve(message_id))
    found = answer.data.to_dict(mode="json") if answer.data else {}
    print_json({name: each for name, each in found.items() if reveal or name not in _PRIVATE}, reveal=reveal)


messages.command("status")(status)
messages.command("send")(send)
messages.command("group")(group)
messages.command("assistant")(assistant)


@messages.command("schedule")
def schedule(
    number: E164Argument,
    *,
    text: Annotated[str, typer.Option(help="The message.")],
    at: Annotated[str, typer.Option(help="When, such as 2030-01-01T09:00:00Z: 5 minutes to 5 days ahead.")],
    sender: Annotated[str | None, typer.Option("--from", help="A number of yours, or RINGBACK_SMS_FROM.")] = None,
    yes: YesOption = False,
    reveal: RevealOption = False,
) -> None:
    """Let Telnyx send one SMS at a later time.

    Exit codes: 0 scheduled, 1 not confirmed, the number said STOP, or Telnyx refuses, 2 bad usage.
    """
    if not text.strip():
        raise typer.BadParameter("--text: there is nothing to say")
    send_at = _moment(at)
    settings = load_for_change()
    how = "give --from, or set RINGBACK_SMS_FROM to a number or short code of yours"
    from_ = sender_of(sender or settings.sms_from, how)

    async def send_later(telnyx: AsyncTelnyx, store: Store) -> str:
        await check_sms(telnyx, store, number, text, undone="scheduled")
        answer = await telnyx.messages.schedule(to=number, from_=from_, text=text, send_at=send_at)
        return str(answer.data.id) if answer.data else "?"

    confirm(f"Send an SMS to {shown(number, reveal=reveal)} at {send_at:%Y-%m-%d %H:%M} UTC?", yes=yes)
    try:
        message_id = with_telnyx_and_redis(send_later)
    except typer.Exit:
        say("Where no answer came, it may be scheduled all the same: do not just repeat it.", err=True)
        raise
    say(f"scheduled: {message_id}", f"→ ringback messages cancel {message_id}")


@messages.command("cancel")
def cancel(message_id: MessageId, *, yes: YesOption = False) -> None:
    """Cancel a scheduled message that goes out in more than a minute.

    Exit codes: 0 cancelled, 1 not confirmed, or Telnyx refuses, 2 bad usage.
    """
    load_for_change()
    confirm(f"Cancel the message {message_id}?", yes=yes)
    with_telnyx(lambda telnyx: telnyx.messages.cancel_scheduled(message_id))
    say("cancelled")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"--at: {text!r} is no time such as 2030-01-01T09:00:00Z") from None
    if moment.tzinfo is None:
        raise typer.BadParameter("--at: name the time zone, such as the Z of 2030-01-01T09:00:00Z")
    ahead = moment - datetime.fromtimestamp(clock.now(), UTC)
    if not SOONEST <= ahead <= LATEST:
        raise typer.BadParameter("--at: it must be 5 minutes to 5 days ahead")
    return moment.astimezone(UTC)


def _row(record: dict[str, Any], *, reveal: bool) -> tuple[str, ...]:
    message_id, created, kind, status = (str(record.get(each) or "-") for each in _NAMES)
    numbers = (shown(record.get("cli"), reveal=reveal), shown(record.get("cld"), reveal=reveal))
    return message_id, created[:19].replace("T", " "), kind, *numbers, status
