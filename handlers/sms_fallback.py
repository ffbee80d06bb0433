"""An RCS message that did not reach its recipient becomes one SMS."""

from datetime import datetime, timedelta

from telnyx import APIError, omit

from service import Context, Discard, Event, Router, clock
from service.events import Message
from service.messages.segments import segments
from service.messages.state import FAILED, REACHED, note_and_take_right
from service.outbound.effects import idempotency_key
from service.routing import Dead
from service.store.message_states import RecipientState

MAX_AGE = timedelta(hours=1)
MOST_SEGMENTS = 6

router = Router()


@router.on("message.finalized")
async def sms_fallback(event: Event[Message], ctx: Context) -> None:
    """Send one SMS per failed recipient, once per message, whichever of its events asks first."""
    message = event.payload
    if message.direction != "outbound" or message.type != "RCS" or message.id is None:
        raise Discard("not_rcs")
    if ctx.settings.sms_from is None:
        raise Discard("not_armed")
    failed = [to.phone_number for to in message.to if to.status in FAILED and to.phone_number]
    if not failed:
        raise Discard("not_failed")
    _refuse_old(message, event.occurred_at)
    text = _text(message)
    states = await note_and_take_right(ctx, message, event.id)
    refusals, reasons = [], []
    for number in failed:
        try:
            reasons.append(await _send(ctx, message, text, number, states[number]))
        except APIError as error:
            # One recipient's refusal is no reason to leave the others without their SMS.
            refusals.append(error)
    if refusals:
        raise refusals[0]
    if all(reasons):
        raise Discard(str(reasons[0]))


async def _send(ctx: Context, message: Message, text: str, number: str, state: RecipientState) -> str | None:
    """Send to one recipient, or answer why not."""
    if state.status in REACHED:
        return "already_delivered"
    if state.right != "granted":
        return "already_sent"
    if await ctx.opted_out(number):
        return "opted_out"
    sender = ctx.settings.sms_from
    await ctx.telnyx.messages.send(
        to=number,
        from_=sender if sender and sender != "profile" else omit,
        messaging_profile_id=message.messaging_profile_id or omit,
        text=text,
        idempotency_key=idempotency_key("sms_fallback", str(message.id), number),
    )
    return None


def _refuse_old(message: Message, occurred_at: datetime | None) -> None:
    since = message.sent_at or message.received_at or occurred_at
    if since is not None and clock.now() - since.timestamp() > MAX_AGE.total_seconds():
        raise Discard("too_old")


def _text(message: Message) -> str:
    """The message's own text: cards, carousels and files are not rendered yet."""
    if not message.said:
        raise Dead("nothing_to_say", "the RCS message has no text of its own, and cards are not rendered yet")
    if segments(message.said) > MOST_SEGMENTS:
        raise Dead("too_long", f"the text takes {segments(message.said)} segments, {MOST_SEGMENTS} at most are sent")
    return message.said
