"""Where an inbound message can be answered: by its own channel, or not at all. Pure.

| channel | to | from |
|---|---|---|
| SMS, MMS | the number that wrote | the number that was written to |
| RCS | the number that wrote | the agent that was written to |
| WhatsApp | the number that wrote or, where that is hidden, the user's id | the number that was written to |

Each field is read on its own, so that one which fits no model hides none of the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from service.events.consent import user_id_of
from service.events.phone_number import canonical_number
from service.events.tolerant_model import list_of

Channel = Literal["SMS", "MMS", "RCS", "WHATSAPP"]
Obstacle = Literal["unknown_channel", "no_number", "no_sender"]


@dataclass(frozen=True, slots=True)
class Address:
    """The address of an answer: `to` is a number or a WhatsApp user, `sender` our number or RCS agent."""

    channel: Channel
    to: str = field(repr=False)
    sender: str = field(repr=False)
    messaging_profile_id: str | None = None


def address_of(payload: Mapping[str, Any]) -> Address | Obstacle:
    """Return where an inbound message can be answered, or what stands in the way."""
    channel = _text(payload.get("type")).strip().upper()
    if channel not in get_args(Channel):
        return "unknown_channel"
    to, sender = _writer(payload, channel) or user_id_of(payload), _addressee(payload, channel)
    profile = _text(payload.get("messaging_profile_id")) or None
    if to is None:
        return "no_number"
    if sender is None or (channel == "RCS" and profile is None):
        return "no_sender"
    return Address(cast("Channel", channel), to, sender, profile)


def _writer(payload: Mapping[str, Any], channel: str) -> str | None:
    number = _number(_party(payload.get("from")).get("phone_number"))
    # WhatsApp's own field is without its plus.
    return number or (_number(f"+{_text(_body(payload).get('from'))}") if channel == "WHATSAPP" else None)


def _addressee(payload: Mapping[str, Any], channel: str) -> str | None:
    parties = cast("list[object]", list_of(payload.get("to")))
    first = _party(parties[0]) if parties else {}
    if channel == "RCS":
        return _text(first.get("agent_id")) or None
    return _text(first.get("phone_number")).strip() or None


def _body(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    body = payload.get("body")
    return body if isinstance(body, dict) else {}


def _party(value: object) -> Mapping[str, Any]:
    if isinstance(value, str):
        return {"phone_number": value}
    return value if isinstance(value, dict) else {}


def _number(value: object) -> str | None:
    number = canonical_number(value)
    # Short codes belong to machines, and a long number cannot write to most of them.
    return number if number is not None and number.startswith("+") else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
