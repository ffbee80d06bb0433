"""Checks of the account at Telnyx: its key, its clock, its money."""

from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime

from service import clock
from service.doctor.deployment import Deployment
from service.doctor.finding import CheckFailed, Warned
from service.store.facts.remembered import latest_probe

LOW_CREDIT = Decimal(10)
"""Credit in the account's currency below which a busy day of fallbacks may use it up."""
CLOCK_OFF = 5.0
"""Seconds of difference above which the clock is wrong. An answer's `Date` has whole seconds."""


async def api_key(at: Deployment) -> str:
    """Try the API key. Reading a messaging profile changes nothing."""
    await at.telnyx.messaging_profiles.list(page_size=1)
    return "Telnyx takes TELNYX_API_KEY"


async def telnyx_clock(at: Deployment) -> str:
    """Compare this machine's clock with the `Date` of an answer: beyond the tolerance every webhook is refused."""
    before = clock.now()
    answer = await at.telnyx.messaging_profiles.with_raw_response.list(page_size=1)
    here = (before + clock.now()) / 2
    try:
        there = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except ValueError:
        return "Telnyx's answers have no date to compare with"
    difference = here - there
    told = f"this machine's clock is {abs(difference):,.0f} s {'ahead of' if difference > 0 else 'behind'} Telnyx's"
    if abs(difference) > at.settings.tolerance:
        raise CheckFailed(f"{told}, so every webhook is refused (RINGBACK_TOLERANCE): synchronise the clock (NTP)")
    if abs(difference) > CLOCK_OFF:
        raise Warned(f"{told}: synchronise the clock (NTP)")
    return "this machine's clock agrees with Telnyx's"


async def balance(at: Deployment) -> str:
    """Look at the credit. Source: SDK 4.189, `BalanceRetrieveResponse`: balance and credit limit together."""
    found = (await at.telnyx.balance.retrieve()).data
    credit = _amount(found.available_credit if found else None)
    if found is None or credit is None:
        return "Telnyx does not tell it"
    told = f"{credit:,.2f} {found.currency or ''}".strip()
    if credit <= 0:
        raise CheckFailed(f"{told} of credit: nothing can be sent. Add funds in Mission Control, Billing")
    if credit < LOW_CREDIT:
        raise Warned(f"{told} of credit is left: add funds in Mission Control, Billing, before sends are refused")
    return f"{told} of credit"


async def idempotency(at: Deployment) -> str:
    """Tell what the last probe of the account's idempotency has shown."""
    known = await latest_probe(at.store)
    if known is None:
        return "not tried: ringback doctor --probe-idempotency TO sends one SMS twice under one key"
    if known.replayed:
        return "Telnyx answered a repeated send from memory when it was tried"
    if at.settings.resend == "never":
        return "Telnyx sent twice when it was tried, and RINGBACK_RESEND is never"
    raise CheckFailed("Telnyx sent twice under one key when it was tried: set RINGBACK_RESEND=never")


def _amount(text: str | None) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return None
