"""Requests of the SMS fallback to Telnyx: read the message, and send the SMS in its place."""

from pydantic import ValidationError
from telnyx import APIError, AsyncTelnyx, NotFoundError

from service import clock
from service.events import Message
from service.events.consent import words_of
from service.events.message import read_message_status
from service.messages.fallback import Case, Draft, content_of, draft, request
from service.messages.links import shorteners_to_warn_of
from service.messages.message_state import effect_key
from service.outbound.send_conditions import instead_of, not_sent_reason
from service.routing import Context
from service.store.effects.send_conditions import InsteadOf, Shown
from service.store.keys import Keys


async def look_up(telnyx: AsyncTelnyx, message_id: str) -> Message | None:
    """Return the message as `GET /messages/{id}` shows it; None where Telnyx does not know it, or shows no message.

    Raises:
        telnyx.APIError: Telnyx refused otherwise, or could not be reached.
    """
    try:
        answer = await telnyx.messages.retrieve(message_id)
    except NotFoundError:
        return None
    try:
        return Message.model_validate(answer.to_dict(mode="json", warnings=False).get("data"))
    except ValidationError:
        return None


async def write(ctx: Context, case: Case, shown: Message | None) -> Draft:
    """Write the SMS from what the event says, else from what Telnyx shows; warn of links that carriers block.

    Raises:
        Dead: it cannot be written; see `draft`.
        telnyx.APIError: Telnyx could not be asked which domains are the account's own.
    """
    wanted = draft(case, content_of(case.message) or content_of(shown))
    for host in await shorteners_to_warn_of(wanted.text, ctx.telnyx, ctx.redis, Keys.of(ctx.settings)):
        ctx.log.warning("an SMS links to a public shortener, which carriers block", host=host, rule=case.rule.name)
    return wanted


async def send_instead(ctx: Context, case: Case, wanted: Draft, shown: Message | None) -> str | None:
    """Send the SMS; None where it was sent, else the reason that holds at the moment of its intent.

    Raises:
        telnyx.APIError: Telnyx refused.
    """
    message_id, limit, keep = str(case.message.id), ctx.settings.sms_per_hour, ctx.settings.retention
    message = InsteadOf(message_id, case.since, wanted.segments, limit, keep, _said(message_id, shown))
    try:
        with instead_of(message):
            await ctx.telnyx.messages.send(**request(case, wanted), idempotency_key=effect_key(message_id, case.number))
    except APIError as error:
        if (reason := not_sent_reason(error)) is None:
            raise
        return reason
    return None


def _said(message_id: str, shown: Message | None) -> Shown | None:
    """Read what Telnyx shows of a message as an event of its end would tell it."""
    if shown is None:
        return None
    payload = {**shown.model_dump(by_alias=True), "id": message_id}
    state = read_message_status("message.finalized", payload)
    words = words_of("message.finalized", payload, None, now=clock.now())
    return None if state is None else Shown(state, tuple(words))
