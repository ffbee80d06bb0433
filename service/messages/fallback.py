"""Decisions of the SMS fallback on an event: for each recipient the rule, the occasion, and the SMS itself.

Pure, so that the handler and `ringback policy explain` cannot differ.
"""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from service.events import Event, Message
from service.events.consent import blocked_recipients
from service.events.message import REACHED
from service.events.phone_number import canonical_number
from service.events.tolerant_model import possible_time
from service.messages.policy import NO_RULE, Occasion, Policy, Rule
from service.messages.sms_text import readable, segments
from service.messages.templates import BadTemplate, TemplateVariables
from service.outbound.carriers import carrier_of
from service.outbound.phone_numbers import country_of
from service.outcome import Dead

DUE = "sms_fallback.due"
"""The event that is raised when a message should have been delivered by now."""

MOST_MEDIA = 10
"""Files in an MMS. Source: developers.telnyx.com, sending MMS."""
_MMS_COUNTRIES = frozenset({"US", "CA"})
"""Where Telnyx supports MMS without reservation. Source: developers.telnyx.com, sending MMS."""
_OCCASIONS: Mapping[str, Occasion] = {
    "delivery_failed": "failed",
    "sending_failed": "failed",
    "expired": "expired",
    "delivery_unconfirmed": "unconfirmed",
}
"""By status. Source: OpenAPI, `to[].status`."""
_UNDER_WAY = frozenset({"queued", "sending", "sent"})
_WINDOW_CLOSED = re.compile(r"(?<!\d)131047(?!\d)")
"""Meta's code for a text outside of the window of 24 hours. Telnyx reports it within an error of 40008 or 41000."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The SMS or MMS in place of a message. `sender` is `profile` for the number pool of the profile."""

    type: Literal["SMS", "MMS"]
    sender: str
    text: str
    segments: int
    media_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One recipient of one RCS or WhatsApp message, of whom an event tells.

    `since` is when the message was sent (seconds). `blocked` tells that the event itself names the recipient's STOP.
    `carrier` is the recipient's, by its one name, where it is known.
    """

    message: Message
    number: str
    status: str
    occasion: Occasion | None
    rule: Rule
    since: float | None
    blocked: bool = False
    carrier: str | None = None

    @property
    def timer(self) -> str:
        """The key of the timer that asks whether the message was delivered. The number cannot be read from it."""
        return f"sms_fallback:{hashlib.sha256(f'{self.message.id}/{self.number}'.encode()).hexdigest()[:32]}"

    @property
    def under_way(self) -> bool:
        """Whether its end is still to come."""
        return self.occasion is None and self.status in _UNDER_WAY

    @property
    def reached(self) -> bool:
        """Whether the event itself says that the recipient has the message."""
        return self.status in REACHED

    def reason_against(self, at: float, held: float | None) -> str | None:
        """Return why the event and the policy forbid an SMS, if they do. `held`: it waits since then."""
        if self.rule is NO_RULE:
            return "no_rule"
        if not self.rule.acts_on(self.occasion):
            return "not_failed"
        if self.blocked:
            return "opted_out"
        if self.since is not None and (held or at) - self.since > self.rule.max_age:
            return "too_old"
        return None

    def alone(self) -> dict[str, Any]:
        """Return the payload of the message as if this were its only recipient."""
        payload = self.message.model_dump(mode="json", by_alias=True)
        return {
            **payload,
            "to": [to for to in payload["to"] if canonical_number(to.get("phone_number")) == self.number],
        }


def cases(policy: Policy, event: Event[Message], *, accepted_at: float | None = None) -> Iterator[Case]:
    """Yield a case for each recipient with a number. Nothing can be sent to the others.

    A message without any possible time is as old as its event, which came at `accepted_at` (seconds since 1970).
    """
    message = event.payload
    times = message.sent_at, message.received_at, event.occurred_at
    since = possible_time(times, math.inf if accepted_at is None else accepted_at)
    since = accepted_at if since is None else since
    blocked = frozenset(blocked_recipients(message.model_dump(by_alias=True)))
    for to in message.to:
        number = canonical_number(to.phone_number)
        if number is not None:
            status = to.status or ""
            yield Case(
                message=message,
                number=number,
                status=status,
                occasion="undelivered" if event.type == DUE else _occasion(message, status),
                rule=policy.rule_for(message, number),
                since=since,
                blocked=number in blocked,
                carrier=carrier_of(to.carrier),
            )


def without_number(message: Message) -> int:
    """Return how many recipients have no number, such as WhatsApp users who hide theirs."""
    return sum(canonical_number(to.phone_number) is None for to in message.to)


def says_window_closed(error: object) -> bool:
    """Return whether an error, as Telnyx writes it, bears Meta's code for a closed window."""
    return _WINDOW_CLOSED.search(str(error)) is not None


def _occasion(message: Message, status: str) -> Occasion | None:
    found = _OCCASIONS.get(status)
    if found == "failed" and message.type == "WHATSAPP":
        errors = (each.model_dump(mode="json") for each in message.errors)
        return "window_closed" if any(map(says_window_closed, errors)) else found
    return found


def content_of(message: Message | None) -> Mapping[str, Any]:
    """Return the content of a message from an event or the API. It may be empty."""
    if message is None:
        return {}
    if message.text:
        return {"text": message.text}
    content = message.body.model_dump(mode="json", exclude_none=True) if message.body is not None else {}
    return _of_whatsapp(content.get("whatsapp_message")) or content


def _of_whatsapp(sent: object) -> dict[str, Any]:
    """Return the text of a WhatsApp message, if it has one. Source: SDK 4.189, `WhatsappMessageContent`."""
    text = sent.get("text") if isinstance(sent, Mapping) else None
    body = text.get("body") if isinstance(text, Mapping) else None
    return {"text": body} if isinstance(body, str) else {}


def draft(case: Case, content: Mapping[str, Any]) -> Draft:
    """Write the SMS or MMS.

    Raises:
        Dead: it would be empty (`nothing_to_say`), too long (`too_long`), or the template fails (`template`).
    """
    rule = case.rule
    media = tuple(_media(content)) if _as_mms(rule, case.number) else ()
    text = _text(case, readable(content, pictures=not media))
    if media:
        # A file that is sent as such need not be said.
        text = "" if text in media else text
        return Draft("MMS", str(rule.sender), text, 1, media[:MOST_MEDIA])
    if not text:
        raise Dead("nothing_to_say", "nothing of the RCS message can be said in an SMS: give its rule a template")
    count = segments(text)
    if count > rule.max_segments:
        raise Dead(
            "too_long",
            f"the text takes {count} segments, and rule {rule.name!r} allows {rule.max_segments}:"
            " give it a shorter template, or more max_segments",
        )
    return Draft("SMS", str(rule.sender), text, count)


def draft_of_event(case: Case) -> Draft | None:
    """Return the draft from the event's content. None: the event has none, or the draft fails."""
    content = content_of(case.message)
    try:
        return draft(case, content) if content else None
    except Dead:
        return None


def request(case: Case, wanted: Draft) -> dict[str, Any]:
    """Return the arguments of `telnyx.messages.send`. The profile is the message's own, so that its opt-outs apply."""
    asked: dict[str, Any] = {"to": case.number}
    if wanted.sender != "profile":
        asked["from_"] = wanted.sender
    if case.message.messaging_profile_id:
        asked["messaging_profile_id"] = case.message.messaging_profile_id
    if wanted.text:
        asked["text"] = wanted.text
    return asked | ({"type": "MMS", "media_urls": list(wanted.media_urls)} if wanted.type == "MMS" else {})


def _text(case: Case, said: str) -> str:
    rule = case.rule
    if rule.template is None:
        return said
    sender = case.message.from_
    variables = TemplateVariables(
        text=said,
        agent_name=sender.agent_name or "",
        agent_id=sender.agent_id or "",
        tags=tuple(case.message.tags),
        country=country_of(case.number) or "",
    )
    try:
        return rule.template.render(variables)
    except BadTemplate as error:
        raise Dead("template", f"the template of rule {rule.name!r}: {error}") from None


def _as_mms(rule: Rule, number: str) -> bool:
    return rule.sent_as == "mms" or (rule.sent_as == "auto" and country_of(number) in _MMS_COUNTRIES)


def _media(content: Any) -> Iterator[str]:
    """Yield the files of a message, wherever its cards have them. Source: OpenAPI `RCSContentInfo`."""
    if isinstance(content, Mapping):
        url = content.get("file_url")
        if isinstance(url, str) and url:
            yield url
        for each in content.values():
            yield from _media(each)
    elif isinstance(content, list | tuple):
        for each in content:
            yield from _media(each)
