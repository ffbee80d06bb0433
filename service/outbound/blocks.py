"""The causes outside an event for which Telnyx may take a call or not: which concern it, and what a person does."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from service.outbound.api_call import Call
from service.outbound.errors import Refusal, TelnyxResponse
from service.store.effects.blocks import OUTAGE
from service.store.effects.rate_limits import BlockSignal

OUTAGE_REASON = "telnyx_outage"

ACCOUNT_PROBE = 60.0
"""Seconds between two probes of a cause of the account."""
OUTAGE_PROBES = (1.0, 10.0)
"""Seconds until the first probe in an outage, and at most until each later one: 1, 2, 4, 8, 10, 10 …"""
OUTAGE_STRIKES = 5
"""Distinct events that have to fail, with no success in between, before it is an outage."""
OUTAGE_WITHIN = 10.0
"""Seconds within which they do."""
QUIET = 600.0
"""Seconds for which people are not told again of a cause that comes and goes."""

_PROFILE_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RESUMES = "it is probed once a minute, and parked events resume afterwards"
ADVICE: Mapping[str, str] = {
    OUTAGE: (
        "Telnyx does not answer, or fails (5xx): there is nothing to do here, see status.telnyx.com; it is probed every"
        " few seconds, and parked events resume afterwards"
    ),
    "credentials": (
        "Telnyx refuses the API key (401): set TELNYX_API_KEY to a valid key and restart the worker; parked events"
        " resume afterwards"
    ),
    "permission": (
        "Telnyx does not let this account send here (403, 10010): have it enabled in Mission Control or by Telnyx's"
        f" support, or use a key that may; {_RESUMES}"
    ),
    "profile_disabled": (
        f"the messaging profile is disabled (40312): enable it in Mission Control, Messaging; {_RESUMES}"
    ),
    "spending_limit": (
        "the spending limit of the messaging profile is reached (40333): raise it in Mission Control, or wait until it"
        f" begins anew; {_RESUMES}"
    ),
}


@dataclass(frozen=True, slots=True)
class BlockNotice:
    """A cause that was just opened, as people are told of it: its name, what to do, and what was met."""

    cause: str
    advice: str
    detail: str


def concerning(call: Call) -> dict[str, str]:
    """The names of the causes that concern a call, by their kinds; those of a profile leave other profiles alone."""
    names = {OUTAGE: OUTAGE, "credentials": "credentials"}
    if call.is_effect:
        scope = _scope(call)
        names |= {"permission": f"permission:{call.shown_path.partition('?')[0]}"}
        names |= {kind: f"{kind}:{scope}" for kind in ("profile_disabled", "spending_limit")}
    return names


def words(call: Call, answer: TelnyxResponse | None, account: Refusal | None) -> list[BlockSignal]:
    """Return the signals of an answer (None: there was none) for each cause that concerns the call."""
    return [_word(kind, name, answer, account) for kind, name in concerning(call).items()]


def is_alive(answer: TelnyxResponse | None) -> bool:
    """Return whether Telnyx works, even where it refuses this call."""
    return answer is not None and answer.status < 500


def _word(kind: str, name: str, answer: TelnyxResponse | None, account: Refusal | None) -> BlockSignal:
    if kind == OUTAGE:
        return BlockSignal(name, "lifts") if is_alive(answer) else _outage(answer)
    if account is not None and account.reason == kind:
        every, quiet = int(ACCOUNT_PROBE * 1000), int(QUIET * 1000)
        return BlockSignal(name, "fails", account.detail, ADVICE[kind], interval=every, longest=every, quiet=quiet)
    return BlockSignal(name, "lifts" if answer is not None and _disproves(kind, answer) else "unclear")


def _disproves(kind: str, answer: TelnyxResponse) -> bool:
    """Return whether an answer shows that a cause is gone: an answer about the request proves a valid key."""
    if kind == "credentials":
        return answer.status < 500 and answer.status not in (401, 408, 429)
    return 200 <= answer.status < 300


def _outage(answer: TelnyxResponse | None) -> BlockSignal:
    first, longest = (int(each * 1000) for each in OUTAGE_PROBES)
    return BlockSignal(
        OUTAGE,
        "fails",
        "no answer" if answer is None else str(answer.status),
        ADVICE[OUTAGE],
        interval=first,
        longest=longest,
        quiet=int(QUIET * 1000),
        strikes=OUTAGE_STRIKES,
        within=int(OUTAGE_WITHIN * 1000),
    )


def _scope(call: Call) -> str:
    """Return the profile of a call; another value, or a sender without a profile, as a digest: it may be a number."""
    profile = call.messaging_profile_id
    if profile is not None and _PROFILE_ID.fullmatch(profile):
        return profile
    return hashlib.sha256(f"{profile}/{call.sender}".encode()).hexdigest()[:16]
