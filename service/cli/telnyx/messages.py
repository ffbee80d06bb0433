"""`ringback messages`."""

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

import typer
from redis.asyncio import Redis
from telnyx import AsyncTelnyx

from service import clock
from service.cli.confirm import confirm
from service.cli.numbers import e164, print_json, shown
from service.cli.options import JsonOption, RevealOption, YesOption
from service.cli.output import say
from service.cli.tables import print_table
from service.cli.telnyx.changing import load_for_change
from service.cli.telnyx.shorteners import warn_of_shorteners
from service.cli.telnyx.telnyx_session import at_telnyx_and_redis, first_rows, with_telnyx
from service.settings import Settings, load
from service.store.facts.consent import opted_out
from service.store.keys import Keys

messages = typer.Typer(help="Look at messages at Telnyx, and schedule SMS.", no_args_is_help=True)

MessageId = Annotated[str, typer.Argument(help="The message's id.")]

SOONEST, LATEST = timedelta(minutes=5), timedelta(days=5)
"""How far ahead a message may be scheduled. Source: OpenAPI `CreateScheduledMessageRequest`."""
_RANGE = re.compile(r"today|yesterday|(this|last)_(week|month)|last_[1-9]\d{0,2}_days")
"""Source: SDK, `detail_record_list_params`."""
_NAMES = ("uuid", "created_at", "message_type", "status")
_PRIVATE = frozenset({"text", "subject", "body", "media"})


@messages.command("list")
def list_messages(
    *,
    number: Annotated[str | None, typer.Option(help="Only messages to this number.", parser=e164)] = None,
    range_: Annotated[
        str, typer.Option("--range", help="today, yesterday, this_week, last_week, this_month or last_N_days.")
    ] = "today",
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """List what Telnyx keeps of messages that have ended, the newest first; one still under way is not among them.

    Exit codes: 0 listed, 1 Telnyx refuses or cannot be reached, 2 bad usage.
    """
    if not _RANGE.fullmatch(range_):
        raise typer.BadParameter("--range: today, yesterday, this_week, last_week, this_month or last_N_days")
    rows = with_telnyx(load(), partial(_records, number=number, date_range=range_, limit=limit))
    if as_json:
        print_json(rows, reveal=reveal)
    elif rows:
        print_table(
            ("id", "created (UTC)", "type", "from", "to", "status"), [_row(each, reveal=reveal) for each in rows]
        )
    else:
        say("There are no such messages.", err=True)


@messages.command("show")
def show(message_id: MessageId, *, reveal: RevealOption = False) -> None:
    """Show a message of the last ten days as Telnyx has it, as JSON; its text only with --reveal.

    Exit codes: 0 shown, 1 there is none, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    found = with_telnyx(load(), partial(_retrieve, message_id=message_id))
    print_json({name: each for name, each in found.items() if reveal or name not in _PRIVATE}, reveal=reveal)


@messages.command("schedule")
def schedule(
    number: Annotated[str, typer.Argument(help="A number such as +13125550001.", parser=e164)],
    *,
    text: Annotated[str, typer.Option(help="The message.")],
    at: Annotated[str, typer.Option(help="When, such as 2030-01-01T09:00:00Z: 5 minutes to 5 days ahead.")],
    sender: Annotated[str | None, typer.Option("--from", help="A number of yours; else RINGBACK_SMS_FROM.")] = None,
    yes: YesOption = False,
    reveal: RevealOption = False,
) -> None:
    """Let Telnyx send one SMS at a later time.

    Exit codes: 0 scheduled, 1 not confirmed, the number said STOP, or Telnyx refuses, 2 bad usage.
    """
    if not text.strip():
        raise typer.BadParameter("--text: there is nothing to say")
    send_at, settings = _moment(at), load_for_change()
    fields = {"to": number, "from_": _sender(sender, settings), "text": text, "send_at": send_at}
    confirm(f"Send an SMS to {shown(number, reveal=reveal)} at {send_at:%Y-%m-%d %H:%M} UTC?", yes=yes)
    try:
        message_id = at_telnyx_and_redis(settings, partial(_schedule, fields=fields))
    except typer.Exit:
        say("Where no answer came, it may be scheduled all the same: do not just repeat it.", err=True)
        raise
    say(f"scheduled: {message_id}", f"→ ringback messages cancel {message_id}")


@messages.command("cancel")
def cancel(message_id: MessageId, *, yes: YesOption = False) -> None:
    """Cancel a scheduled message that goes out in more than a minute.

    Exit codes: 0 cancelled, 1 not confirmed, or Telnyx refuses, 2 bad usage.
    """
    settings = load_for_change()
    confirm(f"Cancel the message {message_id}?", yes=yes)
    with_telnyx(settings, partial(_cancel, message_id=message_id))
    say("cancelled")


async def _records(telnyx: AsyncTelnyx, *, number: str | None, date_range: str, limit: int) -> list[dict[str, Any]]:
    wanted: dict[str, Any] = {"record_type": "messaging", "date_range": date_range}
    wanted |= {"cld": number} if number else {}
    pages = telnyx.detail_records.list(filter=wanted, page_size=50, sort=["-created_at"])  # type: ignore[arg-type]
    return await first_rows(pages, "detail records", limit)


async def _retrieve(telnyx: AsyncTelnyx, *, message_id: str) -> dict[str, Any]:
    answer = await telnyx.messages.retrieve(message_id)
    return answer.data.to_dict(mode="json") if answer.data else {}


async def _schedule(telnyx: AsyncTelnyx, redis: Redis, keys: Keys, *, fields: dict[str, Any]) -> str:

    if await opted_out(redis, keys, fields["to"]):
        say("this number has said STOP: nothing was scheduled", err=True)
        raise typer.Exit(1)
    await warn_of_shorteners(telnyx, redis, keys, text=fields["text"])
    answer = await telnyx.messages.schedule(**fields)
    return str(answer.data.id) if answer.data else "?"


async def _cancel(telnyx: AsyncTelnyx, *, message_id: str) -> None:
    await telnyx.messages.cancel_scheduled(message_id)


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


def _sender(given: str | None, settings: Settings) -> str:
    sender = given or settings.sms_from
    if sender is None or sender == "profile":
        raise typer.BadParameter("give --from, or set RINGBACK_SMS_FROM to a number or short code of yours")
    return sender


def _row(record: dict[str, Any], *, reveal: bool) -> tuple[str, ...]:
    message_id, created, kind, status = (str(record.get(each) or "-") for each in _NAMES)
    numbers = (shown(record.get("cli"), reveal=reveal), shown(record.get("cld"), reveal=reveal))
    return message_id, created[:19].replace("T", " "), kind, *numbers, status
