"""Consent under each spelling of a number: Telnyx's, and another that people write, as with the 0 in +44 0171."""

from contextlib import suppress
from datetime import datetime
from functools import reduce

from service.events.consent import ConsentChange
from service.outbound.phone_numbers import one_spelling, spellings_of
from service.store.facts.consent import Consent, KeyMissing, consent_of, opted_out, record_consent
from service.store.store import Store


async def is_opted_out(store: Store, number: str, since: datetime | None = None) -> bool:
    """Return whether the number is opted out under a spelling, or with `since` was at some time from then on."""
    return any([await opted_out(store, each, since) for each in spellings_of(number)])


async def spelled_consent(store: Store, number: str) -> Consent:
    """Return what is known of a number under all of its spellings together."""
    return reduce(Consent.merged, [await consent_of(store, each) for each in spellings_of(number)])


async def opt_in_time(store: Store, number: str, now: float) -> float | None:
    """Return a time for an opt-in, `now` or right after the latest opt-out. None where the number is not opted out."""
    known = [await consent_of(store, each) for each in spellings_of(number)]
    return max(each.opt_in_time(now) for each in known) if any(each.opted_out for each in known) else None


async def opt_out(store: Store, number: str, *, at: float) -> None:
    """Opt a number out for an operator, at this time (seconds since 1970). An opt-in that is later does not hold."""
    spelling, back = one_spelling(number), None
    # An opt-out under a key that is not here must not prevent this one.
    with suppress(KeyMissing):
        back = (await consent_of(store, spelling)).put.in_at
    await record_consent(store, [ConsentChange(spelling, "out", max(at, back or 0), "operator")], now=at)


async def opt_in(store: Store, number: str, *, at: float) -> bool:
    """Opt a number in for an operator. Return False where it is opted out once more, later than `at`."""
    out = [each for each in spellings_of(number) if await opted_out(store, each)]
    await record_consent(store, [ConsentChange(each, "in", at, "operator") for each in out], now=at)
    return not await is_opted_out(store, number)
