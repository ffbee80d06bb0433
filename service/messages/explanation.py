"""Explanations of a policy's decision on an event: text, recipient and time of an SMS, or why there is none.

Pure, and about the event and the policy alone. A delivery, an opt-out, an earlier SMS or the budget of the hour may
still forbid the SMS.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from service.events import Event, Message
from service.events.message import MAX_RECIPIENTS
from service.messages.fallback import Case, Draft, cases, content_of, draft, without_number
from service.messages.policy import NO_RULE, Policy
from service.messages.sms_text import public_shorteners
from service.outcome import Dead
from service.security.masking import plain_word

PolicyDecision = Literal["send", "watch", "nothing"]

_WHY: Mapping[str, str] = {
    "not_armed": "neither RINGBACK_POLICY nor RINGBACK_SMS_FROM is set",
    "not_rcs": "it is no outbound message of a channel that the policy has rules for",
    "no_number": "the recipient has no number that an SMS could go to",
    "no_recipient": "it names no recipient",
    "no_rule": "no rule fits it",
    "too_many_recipients": f"it has more than {MAX_RECIPIENTS} recipients",
    "opted_out": "the recipient's STOP blocks it, the event says (40300)",
    "too_old": "it was sent longer ago than max_age",
    "quiet_hours": "it is quiet where the number may lie, and stays so for longer than max_wait",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision on one recipient. `when` is seconds since 1970.

    `draft` is None where nothing is sent, and where only Telnyx knows what the message said.
    """

    number: str | None
    rule: str | None
    verdict: PolicyDecision
    reason: str
    why: str
    when: float | None = None
    draft: Draft | None = None


def explain(policy: Policy | None, event: Event[Message], at: float) -> list[Explanation]:
    """Explain a policy's decision on an event `at` a time: for each recipient, or once for all."""
    message = event.payload
    if policy is None:
        return [_nothing(None, "not_armed")]
    if message.direction != "outbound" or message.type not in policy.types or not message.id:
        return [_nothing(None, "not_rcs")]
    if len(message.to) > MAX_RECIPIENTS:
        return [_nothing(None, "too_many_recipients")]
    found = [_explained(case, at) for case in cases(policy, event)]
    found += [_nothing(None, "no_number")] * without_number(message)
    return found or [_nothing(None, "no_recipient")]


def _explained(case: Case, at: float) -> Explanation:
    timeout = case.rule.undelivered_after
    if timeout is not None and case.under_way:
        why = "unless it is delivered by then, it falls back"
        due = (at if case.since is None else case.since) + timeout
        return Explanation(case.number, case.rule.name, "watch", "under_way", why, max(at, due))
    reason = case.reason_against(at, None)
    if reason is not None:
        return _nothing(case, reason)
    opens = case.rule.goes_out_at(case.number, at, by=at + case.rule.max_wait)
    if opens is None:
        return _nothing(case, "quiet_hours")
    return _sent(case, at, opens)


def _sent(case: Case, at: float, opens: float) -> Explanation:
    occasion = "the window is closed" if case.occasion == "window_closed" else f"the message is {case.occasion}"
    reason, why = ("quiet_hours", f"{occasion}, and it is quiet until then") if opens > at else ("now", occasion)
    content = content_of(case.message)
    try:
        wanted = draft(case, content)
        if shorteners := public_shorteners(wanted.text):
            why += f"; carriers block links to {', '.join(shorteners)}, unless that is a domain of the account"
        return Explanation(case.number, case.rule.name, "send", reason, why, opens, wanted)
    except Dead as dead:
        if not content:
            why += "; the event leaves out what it said, so Telnyx will be asked"
            return Explanation(case.number, case.rule.name, "send", reason, why, opens)
        return Explanation(case.number, case.rule.name, "nothing", dead.reason, dead.detail)


def _nothing(case: Case | None, reason: str) -> Explanation:
    number = case.number if case is not None else None
    rule = case.rule.name if case is not None and case.rule is not NO_RULE else None
    status = plain_word(case.status) if case is not None and case.status else ""
    closed = case is not None and case.occasion == "window_closed"
    occasion = "a closed window" if closed else status or "no status"
    why = _WHY.get(reason) or f"{occasion} is no occasion for an SMS by this rule"
    return Explanation(number, rule, "nothing", reason, why)
