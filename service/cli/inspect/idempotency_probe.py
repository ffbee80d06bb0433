"""`ringback doctor --probe-idempotency`: one SMS, sent twice under one idempotency key."""

import secrets

import typer
from telnyx import AsyncTelnyx

from service import clock
from service.cli.output import confirm, fail, say
from service.cli.telnyx.telnyx_session import with_telnyx_and_redis
from service.outbound.api_call import idempotency_key
from service.security.masking import mask_number
from service.settings import Settings
from service.store.effects.idempotency_probe import Probe, remember
from service.store.store import Store

TEXT = "A test by Ringback: this message should come once."
BAD_USAGE = 2


def probe(settings: Settings, to: str, *, yes: bool) -> None:
    """Send the SMS twice, tell the result, and remember it."""
    sender = _sender(settings)
    confirm(f"This sends one SMS to {mask_number(to)}, or two if Telnyx does not keep its promise. Go on?", yes=yes)

    async def send_twice(telnyx: AsyncTelnyx, store: Store) -> bool:
        key = idempotency_key("probe", secrets.token_hex(16))
        answers = [await telnyx.messages.send(to=to, from_=sender, text=TEXT, idempotency_key=key) for _ in range(2)]
        first, second = (answer.data.id if answer.data else None for answer in answers)
        replayed = first is not None and first == second
        await remember(store, Probe(clock.now(), replayed))
        return replayed

    if not with_telnyx_and_redis(send_twice):
        say(
            "Telnyx sent two messages under one key: set RINGBACK_RESEND=never, and resolve unconfirmed effects by hand"
        )
        raise typer.Exit(1)
    say("Telnyx answered the second from memory: one message, as promised. RINGBACK_RESEND=same-key is safe.")


def _sender(settings: Settings) -> str:
    """Return the sender, or end the command where nothing can be sent."""
    if settings.dry_run:
        fail("RINGBACK_DRY_RUN is on, so nothing can be sent: unset it for this", code=BAD_USAGE)
    sender = settings.sms_from
    if sender is None or sender == "profile":
        fail("RINGBACK_SMS_FROM must name a number or short code of yours to send from", code=BAD_USAGE)
    return sender
