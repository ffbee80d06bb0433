"""`ringback messages assistant`."""

import secrets
from typing import Annotated, Literal

import typer
from telnyx import AsyncTelnyx, omit

from service.cli.connections import load_for_change
from service.cli.masked_output import shown
from service.cli.options import E164Argument, RevealOption, YesOption, e164
from service.cli.output import confirm, say
from service.cli.telnyx.session import check_sms, send_under_key, sender_of
from service.store.store import Store


def assistant(
    assistant_id: Annotated[str, typer.Argument(metavar="ASSISTANT", help="The id of an AI assistant.")],
    number: E164Argument,
    *,
    text: Annotated[str | None, typer.Option(help="The first SMS or, for WhatsApp, what to write about.")] = None,
    sender: Annotated[str | None, typer.Option("--from", help="A number of yours, or RINGBACK_SMS_FROM.")] = None,
    channel: Annotated[Literal["sms", "whatsapp"], typer.Option(help="How the assistant writes.")] = "sms",
    key: Annotated[str | None, typer.Option(help="Repeat a beginning under its key. It goes out once.")] = None,
    yes: YesOption = False,
    reveal: RevealOption = False,
) -> None:
    """Let an AI assistant of Telnyx's begin a conversation with a number. Numbers that have said STOP are refused.

    Exit codes: 0 begun, 1 not confirmed, the number said STOP, or Telnyx refuses, 2 bad usage.
    """
    if channel == "whatsapp" and not (text and text.strip()):
        raise typer.BadParameter("--text: tell the assistant what to write about")
    settings = load_for_change()
    how = "give --from, or set RINGBACK_SMS_FROM to a number of yours"
    from_ = e164(sender_of(sender or settings.sms_from, how))
    header = key or f"rb-cli-{secrets.token_hex(16)}"

    async def begin(telnyx: AsyncTelnyx, store: Store) -> str | None:
        await check_sms(telnyx, store, number, text or "", undone="sent")
        assistants = telnyx.ai.assistants
        if channel == "sms":
            sms = await assistants.send_sms(
                assistant_id, from_=from_, to=number, text=text or omit, idempotency_key=header
            )
            return sms.conversation_id
        begun = await assistants.whatsapp(
            assistant_id, from_=from_, to=number, content=text or "", idempotency_key=header
        )
        return begun.conversation_id

    confirm(f"Let the assistant {assistant_id} write to {shown(number, reveal=reveal)}?", yes=yes)
    say(f"begun: conversation {send_under_key(header, begin) or '?'}")
