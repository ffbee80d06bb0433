"""Sending the SMS in place of an RCS message."""

from telnyx import APIError

from service.messages.fallback import Case, Draft, request
from service.messages.message_state import effect_key
from service.outbound.send_conditions import instead_of, not_sent_reason
from service.routing import Context
from service.store.effects.send_conditions import InsteadOf


async def send_instead(ctx: Context, case: Case, wanted: Draft) -> str | None:
    """Send the SMS; None where it was sent, else the reason that holds at the moment of its intent.

    Raises:
        telnyx.APIError: Telnyx refused.
    """
    message_id = str(case.message.id)
    message = InsteadOf(
        message_id, case.since, wanted.segments, limit=ctx.settings.sms_per_hour, keep=ctx.settings.retention
    )
    try:
        with instead_of(message):
            await ctx.telnyx.messages.send(**request(case, wanted), idempotency_key=effect_key(message_id, case.number))
    except APIError as error:
        if (reason := not_sent_reason(error)) is None:
            raise
        return reason
    return None
