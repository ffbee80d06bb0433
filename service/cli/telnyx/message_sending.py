"""`ringback messages send` and `ringback messages group`."""

import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import typer
from telnyx import AsyncTelnyx

from service.cli.connections import load_for_change
from service.cli.masked_output import print_json, shown
from service.cli.options import RevealOption, YesOption, e164
from service.cli.output import confirm, say
from service.cli.telnyx.session import check_sms, send_under_key, sender_of, with_telnyx
from service.store.store import Store

MOST_IN_GROUP = 8
"""Recipients of a group MMS. Source: SDK 4.189, `MessageSendGroupMmsParams`."""
_SHORT_CODE = re.compile(r"\d{3,8}")
_PRIVATE = frozenset({"text", "subject", "media"})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to one number or to a group. `sender` is None for whichever number of the profile."""

    to: tuple[str, ...]
    content: dict[str, Any]
    sender: str | None
    profile: str | None
    key: str

    def operation(self) -> Callable[[AsyncTelnyx], Awaitable[Any]]:
        """Return the call of the operation for this kind of sender and recipients.

        Raises:
            typer.BadParameter: they do not fit together.
        """
        to, given = self.to[0], {**self.content, "idempotency_key": self.key}
        if len(self.to) > 1:
            from_, all_of_them = self._number("a group"), list(self.to)
            return lambda telnyx: telnyx.messages.send_group_mms(from_=from_, to=all_of_them, **given)
        if self.sender is None:
            profile = self._needs_profile("a pool")
            return lambda telnyx: telnyx.messages.send_number_pool(messaging_profile_id=profile, to=to, **given)
        if self.sender.startswith("+"):
            number = e164(self.sender)
            return lambda telnyx: telnyx.messages.send_long_code(from_=number, to=to, **given)
        sender = self.sender
        if _SHORT_CODE.fullmatch(sender):
            return lambda telnyx: telnyx.messages.send_short_code(from_=sender, to=to, **given)
        if "text" not in given or "media_urls" in given:
            raise typer.BadParameter("a name sends text alone: give --text, and no --media")
        profile = self._needs_profile("a name")
        return lambda telnyx: telnyx.messages.send_with_alphanumeric_sender(
            from_=sender, messaging_profile_id=profile, to=to, **given
        )

    def _number(self, what: str) -> str:
        if self.sender is None or not self.sender.startswith("+"):
            raise typer.BadParameter(f"--from: {what} is written to from a number of yours")
        return e164(self.sender)

    def _needs_profile(self, what: str) -> str:
        if self.profile is None:
            raise typer.BadParameter(f"--profile: {what} sends by a messaging profile. Give its id")
        return self.profile


def send(
    numbers: Annotated[list[str], typer.Argument(metavar="NUMBER…", help="Such as +13125550001.", parser=e164)],
    *,
    text: Annotated[str | None, typer.Option(help="The message.")] = None,
    media: Annotated[list[str] | None, typer.Option(metavar="URL", help="A file to send. More than once.")] = None,
    sender: Annotated[
        str | None, typer.Option("--from", help="A number, short code or name of yours, or RINGBACK_SMS_FROM.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="The id of a messaging profile: of a name, or of a pool.")] = None,
    key: Annotated[str | None, typer.Option(help="Repeat a send under its key. It goes out once.")] = None,
    yes: YesOption = False,
    reveal: RevealOption = False,
) -> None:
    """Send one SMS or MMS, or a group MMS to several numbers.

    The kind of the sender decides on the operation of Telnyx's: a number, a short code, or a name. With --profile alone
    Telnyx picks a number of the profile's pool. Numbers that have said STOP are refused.

    Exit codes: 0 sent, 1 not confirmed, a number said STOP, or Telnyx refuses, 2 bad usage.
    """
    settings = load_for_change()
    content = _content(text, media)
    if len(set(numbers)) > MOST_IN_GROUP:
        raise typer.BadParameter(f"a group has {MOST_IN_GROUP} numbers at most")
    from_ = sender
    if sender is None and profile is None:
        from_ = sender_of(settings.sms_from, "give --from or --profile, or set RINGBACK_SMS_FROM")
    message = Outgoing(tuple(dict.fromkeys(numbers)), content, from_, profile, key or f"rb-cli-{secrets.token_hex(16)}")
    operation = message.operation()
    confirm(f"Send a message to {', '.join(shown(each, reveal=reveal) for each in message.to)}?", yes=yes)
    message_id = send_under_key(message.key, partial(_checked_send, message, operation))
    say(f"sent: {message_id}", f"→ ringback messages {'show' if len(message.to) == 1 else 'group'} {message_id}")


def _content(text: str | None, media: list[str] | None) -> dict[str, Any]:
    content: dict[str, Any] = {"text": text} if text and text.strip() else {}
    content |= {"media_urls": media} if media else {}
    if not content:
        raise typer.BadParameter("there is nothing to say: give --text or --media")
    return content


async def _checked_send(
    message: Outgoing, operation: Callable[[AsyncTelnyx], Awaitable[Any]], telnyx: AsyncTelnyx, store: Store
) -> str:
    """Send a message that all its recipients may get, and return its id."""
    for number in message.to:
        await check_sms(telnyx, store, number, message.content.get("text", ""), undone="sent")
    answer = await operation(telnyx)
    return str(answer.data.id) if answer.data else "?"


def group(
    group_id: Annotated[str, typer.Argument(metavar="ID", help="The id of a group MMS.")],
    *,
    reveal: RevealOption = False,
) -> None:
    """Show the messages of a group MMS as JSON, their texts only with --reveal.

    Exit codes: 0 shown, 1 there is none, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    answer = with_telnyx(lambda telnyx: telnyx.messages.retrieve_group_messages(group_id))
    rows = [each.to_dict(mode="json") for each in answer.data or ()]
    kept = [{name: each for name, each in row.items() if reveal or name not in _PRIVATE} for row in rows]
    print_json(kept, reveal=reveal)
