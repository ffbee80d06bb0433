"""`ringback doctor`: checks of this configuration and deployment."""

import asyncio
import secrets
from typing import Annotated

import typer
from telnyx import AsyncTelnyx

from service import clock
from service.cli.options import JsonOption, YesOption, e164
from service.cli.output import confirm, fail, say, say_json
from service.cli.telnyx.session import with_telnyx_and_redis
from service.doctor.checks import examine_deployment
from service.outbound.api_call import idempotency_key
from service.security.masking import mask_number
from service.settings import Settings, load
from service.store.facts.remembered import Probe, remember_probe
from service.store.store import Store


def doctor(
    *,
    probe_idempotency: Annotated[
        str | None, typer.Option(metavar="TO", parser=e164, help="Send one SMS to this number twice under one key.")
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check variables, handlers, Redis, the account, the sender, the URLs and the work.

    Nothing is sent, unless --probe-idempotency asks for it. A finding that is not ok says what to do.

    Exit codes: 0 no check failed (there may be warnings), 1 a check failed, 2 bad usage.
    """
    settings = load()
    if probe_idempotency is not None:
        probe(settings, probe_idempotency, yes=yes)
        return
    findings = asyncio.run(examine_deployment(settings))
    if as_json:
        say_json(findings)
    else:
        say(*(f"{each.status:<7}  {each.check}: {each.told}" for each in findings))
    if any(each.status == "failed" for each in findings):
        raise typer.Exit(1)


TEXT = "A test by Ringback: this message should come once."


def probe(settings: Settings, to: str, *, yes: bool) -> None:
    """Send the SMS twice, tell the result, and remember it."""
    if settings.dry_run:
        fail("RINGBACK_DRY_RUN is on, so nothing can be sent: unset it for this", code=2)
    sender = settings.sms_from
    if sender is None or sender == "profile":
        fail("RINGBACK_SMS_FROM must name a number or short code of yours to send from", code=2)
    confirm(f"This sends one SMS to {mask_number(to)}, or two if Telnyx does not keep its promise. Go on?", yes=yes)

    async def send_twice(telnyx: AsyncTelnyx, store: Store) -> bool:
        key = idempotency_key("probe", secrets.token_hex(16))
        answers = [await telnyx.messages.send(to=to, from_=sender, text=TEXT, idempotency_key=key) for _ in range(2)]
        first, second = (answer.data.id if answer.data else None for answer in answers)
        replayed = first is not None and first == second
        await remember_probe(store, Probe(clock.now(), replayed))
        return replayed

    if not with_telnyx_and_redis(send_twice):
        say("Telnyx sent two messages under one key: set RINGBACK_RESEND=never, and look at unconfirmed effects")
        raise typer.Exit(1)
    say("Telnyx answered the second from memory: one message, as promised. RINGBACK_RESEND=same-key is safe.")
