"""The consent that an event expresses (STOP, START), read leniently from the raw payload. Pure.

Each field is read separately. Neither an invalid nor a missing field can hide another one.
"""

import base64
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from service.events.opt_out_words import HELP_WORDS, OPT_IN_WORDS, OPT_OUT_WORDS, Said, forms_of
from service.events.phone_number import canonical_number
from service.events.tolerant_model import possible_time
from service.security.masking import is_user_id

Source = Literal["message", "40300", "telnyx_list", "operator", "import"]
"""The source of an opt-out: a message, Telnyx's refusal, Telnyx's list, a person, a file."""

AHEAD = 5.0
"""Seconds that Telnyx's clock may be ahead of ours. A later time would make the STOP that follows an older one."""
BLOCKED_BY_STOP: Literal["40300"] = "40300"
"""Telnyx's code for a message that the recipient's STOP blocks. Source: messaging error code reference."""

_INBOUND = "message.received"
_FAILED = frozenset({"sending_failed", "delivery_failed", "expired", "failed", "undelivered"})
_REACHED = frozenset({"delivered", "read"})
_TEXTS = frozenset(
    {"text", "body", "title", "payload", "postback_data", "suggestion_response", "button", "interactive"}
    | {"button_reply", "list_reply"}
)
"""The fields of a payload, at any depth, that hold a person's words or taps, by SMS, RCS or WhatsApp."""
_PLACES = ("autoresponse_type", "text", "body", "suggestion_response")
"""The fields at the top that hold them. `autoresponse_type` is Telnyx's own mark."""
_DEEPEST = 6
_LONGEST_POSTBACK = 2048
"""Characters. Source: OpenAPI `RCSReply`, `postback_data`."""


@dataclass(frozen=True, slots=True)
class ConsentChange:
    """One change of consent. `at` is seconds since 1970, None without a time.

    `number` is the id of a WhatsApp user, where one is named.
    """

    number: str
    said: Said
    at: float | None
    source: Source = "message"

    def __repr__(self) -> str:
        return f"Word(said={self.said!r}, source={self.source!r})"


def words_of(
    event_type: str, payload: object, occurred_at: object, also: Collection[str] = (), *, now: float
) -> tuple[ConsentChange, ...]:
    """Return the changes of consent in an event: of an inbound message's sender, or of blocked recipients (40300).

    `also` holds further opt-out words in normal form. `now` is seconds since 1970. An impossible time
    counts as none. A START without a time changes nothing, because it may be older than the STOP.
    """
    if not event_type.startswith("message.") or not isinstance(payload, Mapping):
        return ()
    if is_inbound(event_type, payload):
        said = said_in(payload, also)
        at = None if said is None else possible_time((payload.get("received_at"), occurred_at), now)
        if said is None or (said == "in" and at is None):
            return ()
        return tuple(ConsentChange(name, said, at) for name in names_of(payload))
    blocked = dict.fromkeys(blocked_recipients(payload))
    at = possible_time((occurred_at, payload.get("completed_at")), now) if blocked else None
    return tuple(ConsentChange(number, "out", at, BLOCKED_BY_STOP) for number in blocked)


def is_inbound(event_type: str, payload: Mapping[str, Any]) -> bool:
    """Return whether a message is inbound: by its direction, otherwise by the type of its event."""
    direction = payload.get("direction")
    named = direction.strip().lower() if isinstance(direction, str) else ""
    return named == "inbound" if named in ("inbound", "outbound") else event_type == _INBOUND


def said_in(payload: Mapping[str, Any], also: Collection[str] = ()) -> Said | None:
    """Return whether an inbound message opts out or in. A message with both opts out.

    Telnyx marks the keywords that it answered itself with `autoresponse_type` (SDK, `MessagingInboundMessagePayload`).
    Over RCS, or where its own answers are off, the words and postbacks speak for themselves.
    """
    words = _words(payload)
    if words & OPT_OUT_WORDS or words.intersection(also):
        return "out"
    return "in" if words & OPT_IN_WORDS else None


def is_keyword(payload: Mapping[str, Any], also: Collection[str] = ()) -> bool:
    """Return whether an inbound message is a keyword (STOP, START, HELP …) that no handler should answer."""
    return (
        payload.get("autoresponse_type") not in (None, "")
        or said_in(payload, also) is not None
        or bool(_words(payload) & HELP_WORDS)
    )


def sender_of(payload: Mapping[str, Any]) -> str | None:
    """Return the number of an inbound message's sender, or None.

    WhatsApp names the sender in the message's body too. Source: SDK 4.189.0, WhatsApp payloads.
    """
    body = payload.get("body")
    within = body.get("from") if isinstance(body, Mapping) else None
    found = (*_numbers(payload.get("from")), *_numbers(within))
    return found[0] if found else None


def names_of(payload: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the number of an inbound message's sender and the id of the WhatsApp user, if it has them."""
    return tuple(each for each in (sender_of(payload), user_id_of(payload)) if each is not None)


def user_id_of(payload: Mapping[str, Any]) -> str | None:
    """Return the id of the WhatsApp user who wrote a message, or None.

    Source: SDK 4.189, `MessagingInboundMessagePayload.body` and `MessageWhatsappParams`.
    """
    body, channel = payload.get("body"), payload.get("type")
    user_id = body.get("from_user_id") if isinstance(body, Mapping) else None
    by_whatsapp = isinstance(channel, str) and channel.strip().upper() == "WHATSAPP"
    return user_id if by_whatsapp and isinstance(user_id, str) and is_user_id(user_id) else None


def blocked_by_stop(errors: object) -> bool:
    """Return whether `errors` hold 40300, as a text or as a number, in objects or alone."""
    if isinstance(errors, list | tuple):
        return any(blocked_by_stop(each) for each in errors if not isinstance(each, list | tuple))
    code = errors.get("code") if isinstance(errors, Mapping) else errors
    if isinstance(code, float | int) and not isinstance(code, bool):
        return code == int(BLOCKED_BY_STOP)
    return isinstance(code, str) and code.strip() == BLOCKED_BY_STOP


def blocked_recipients(payload: Mapping[str, Any]) -> Iterator[str]:
    """Yield the recipients whom a 40300 means: those that bear it themselves, else whom the message failed.

    A message to one recipient leaves no doubt. Among several, Telnyx may have reached some.
    """
    to = payload.get("to")
    recipients = to if isinstance(to, list) else [to]
    own = [each for each in recipients if isinstance(each, Mapping) and blocked_by_stop(each.get("errors"))]
    if own:
        meant = own
    elif blocked_by_stop(payload.get("errors")):
        meant = _not_reached(recipients)
    else:
        meant = []
    for each in meant:
        yield from _numbers(each)


def _not_reached(recipients: list[Any]) -> list[Any]:
    if len(recipients) == 1:
        return recipients
    failed = [each for each in recipients if _status(each) in _FAILED]
    return failed or [each for each in recipients if _status(each) not in _REACHED]


def _status(recipient: object) -> str:
    status = recipient.get("status") if isinstance(recipient, Mapping) else None
    return status.strip().lower() if isinstance(status, str) else ""


def _numbers(party: object) -> tuple[str, ...]:
    """Return the number of a party: an object, a bare number (SDK 4.189 for WhatsApp), or a list of such."""
    if isinstance(party, list | tuple):
        return tuple(number for each in party if not isinstance(each, list | tuple) for number in _numbers(each))
    number = canonical_number(party.get("phone_number") if isinstance(party, Mapping) else party)
    return (number,) if number is not None else ()


def _words(payload: Mapping[str, Any]) -> set[str]:
    """Return the words that an inbound message may be: Telnyx's mark, its texts, and its postbacks in both codings."""
    words: set[str] = set()
    for name in _PLACES:
        said = payload.get(name)
        if isinstance(said, str):
            words |= forms_of(said)
        elif said:
            words.update(*map(forms_of, _texts(said, _DEEPEST)))
    return words


def _texts(value: object, depth: int) -> Iterator[str]:
    """Yield the texts in a nested value."""
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each, depth - 1)
    elif depth and isinstance(value, Mapping):
        for name, each in value.items():
            if name in _TEXTS or name == "id":
                yield from _texts(each, depth - 1)
            if name == "postback_data":
                yield from _decoded(each)


def _decoded(postback: object) -> Iterator[str]:
    """Yield the text of a base64 postback (OpenAPI `RCSReply`). Published samples have plain ones too."""
    if not isinstance(postback, str) or len(postback) > _LONGEST_POSTBACK:
        return
    coded = "".join(postback.split()).rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        yield base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True).decode()
    except ValueError:
        return
