"""Sample events as Telnyx would send them, for `ringback trigger` and the demo. Shapes: knowledge base, RCS."""

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from service import clock

Body = dict[str, Any]

NUMBER = "+13125550101"
OUR_NUMBER = "+13125550199"
USER_ID = "US.13491208655302741918"
"""A WhatsApp user's id, in the form of Telnyx's own example (SDK 4.189, `MessagingInboundMessagePayload.body`)."""


def envelope(event_type: str, payload: Body) -> Body:
    """Return the body of a first delivery."""
    data = event_data(event_type, payload, event_id=str(uuid.uuid4()), occurred_at=_now())
    return {"data": data, "meta": {"attempt": 1, "delivered_to": "http://127.0.0.1/webhooks"}}


def event_data(event_type: str, payload: Body, *, event_id: str, occurred_at: str) -> Body:
    """Return the `data` of an event. Source: OpenAPI `webhooks`."""
    named = {"record_type": "event", "event_type": event_type, "id": event_id, "occurred_at": occurred_at}
    return {**named, "payload": payload}


def outbound_rcs(status: str, number: str) -> Body:
    """Return the payload of an outbound RCS message with this status."""
    return {
        **_message("outbound", "RCS"),
        "from": {"agent_id": "sample-agent", "agent_name": "Ringback"},
        "to": [{"phone_number": number, "status": status}],
        "body": {"text": "Your table is ready."},
        "sent_at": _now(),
    }


def inbound_sms(number: str, text: str = "Are you open on Sundays?") -> Body:
    """Return the payload of an inbound SMS."""
    return {
        **_message("inbound", "SMS"),
        "from": {"phone_number": number},
        "to": [{"phone_number": OUR_NUMBER, "status": "webhook_delivered"}],
        "text": text,
        "received_at": _now(),
    }


def inbound_rcs(number: str) -> Body:
    """Return the payload of an inbound RCS message, which names the agent and no number."""
    payload = inbound_sms(number)
    text = payload.pop("text")
    to = [{"agent_id": "sample-agent", "agent_name": "Ringback"}]
    return {**payload, "type": "RCS", "to": to, "body": {"text": text}}


def inbound_whatsapp(number: str, *, hidden: bool = False) -> Body:
    """Return the payload of an inbound WhatsApp message. The sender may hide the number. `to` is a text (SDK 4.189)."""
    payload = inbound_sms(number)
    text = payload.pop("text")
    writer = {"from": "" if hidden else number.removeprefix("+"), "from_user_id": USER_ID}
    body = {"type": "text", **writer, "text": {"body": text}}
    sender = {"phone_number": "" if hidden else number, "status": "received"}
    return {**payload, "type": "WHATSAPP", "from": sender, "to": OUR_NUMBER, "body": body}


def stop_sms(number: str) -> Body:
    """Return the payload of a STOP that Telnyx has answered."""
    return {**inbound_sms(number, "STOP"), "autoresponse_type": "STOP"}


SAMPLES: Mapping[str, Callable[[str], Body]] = {
    "rcs-failed": lambda number: envelope("message.finalized", outbound_rcs("delivery_failed", number)),
    "rcs-expired": lambda number: envelope("message.finalized", outbound_rcs("expired", number)),
    "rcs-delivered": lambda number: envelope("message.finalized", outbound_rcs("delivered", number)),
    "rcs-read": lambda number: envelope("message.read", outbound_rcs("read", number)),
    "sms-received": lambda number: envelope("message.received", inbound_sms(number)),
    "rcs-received": lambda number: envelope("message.received", inbound_rcs(number)),
    "whatsapp-received": lambda number: envelope("message.received", inbound_whatsapp(number)),
    "whatsapp-hidden-received": lambda number: envelope("message.received", inbound_whatsapp(number, hidden=True)),
    "stop-received": lambda number: envelope("message.received", stop_sms(number)),
}
"""By name, a body about a number."""


def _message(direction: str, kind: str) -> Body:
    ids = {"id": str(uuid.uuid4()), "messaging_profile_id": str(uuid.uuid4())}
    return {"record_type": "message", "direction": direction, "type": kind, **ids}


def _now() -> str:
    return datetime.fromtimestamp(clock.now(), UTC).isoformat()
