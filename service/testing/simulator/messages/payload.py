"""Messages as Telnyx writes them, in answers and in webhooks."""

from typing import Any

from service.testing.simulator.messages.message import Message
from service.testing.simulator.simulated_clock import iso

ORGANIZATION_ID = "9d76d591-1b7d-405d-8c64-1320ee070245"
"""The organization that the simulated account belongs to."""

_CARRIER = {"carrier": "T-MOBILE USA, INC.", "line_type": "Wireless"}
_TELNYX = {"carrier": "Telnyx", "line_type": "Wireless"}
_CURRENCY = "USD"
_RATE = 0.00205
_CARRIER_FEE = 0.00305


def outbound_payload(message: Message) -> dict[str, Any]:
    """An outbound message. Source: OpenAPI `OutboundMessagePayload`; for RCS the SDK's, which knows `body`."""
    return {
        "record_type": "message",
        "direction": "outbound",
        "id": message.id,
        "type": message.type,
        "organization_id": ORGANIZATION_ID,
        "messaging_profile_id": message.messaging_profile_id,
        "from": _sender(message),
        "to": [recipient(message)],
        "cc": [],
        **_content(message),
        **_times(message),
        **_costs(message),
        "errors": list(message.errors),
        "tags": [],
        "webhook_url": message.webhook_url,
        "webhook_failover_url": message.webhook_failover_url,
    }


def inbound_payload(message: Message) -> dict[str, Any]:
    """An inbound message.

    Source: OpenAPI `InboundMessagePayload`; knowledge base, receiving RCS webhooks; for WhatsApp the SDK's
    `MessagingInboundMessagePayload`, where `to` is a text and `body` says who wrote.
    """
    shown = {
        "record_type": "message",
        "direction": "inbound",
        "id": message.id,
        "type": message.type,
        "organization_id": ORGANIZATION_ID,
        "messaging_profile_id": message.messaging_profile_id,
        "from": {**_CARRIER, "phone_number": message.sender, "status": "received"},
        "to": message.to if message.type == "WHATSAPP" else [_addressee(message)],
        "cc": [],
        **_content(message),
        **_times(message),
        **_costs(message),
        "errors": [],
        "tags": [],
        "webhook_url": message.webhook_url,
        "webhook_failover_url": message.webhook_failover_url,
    }
    return shown if message.autoresponse_type is None else shown | {"autoresponse_type": message.autoresponse_type}


def payload(message: Message) -> dict[str, Any]:
    """The message in the form of its direction."""
    return outbound_payload(message) if message.direction == "outbound" else inbound_payload(message)


def recipient(message: Message) -> dict[str, Any]:
    """The one entry of `to` of an outbound message."""
    return {**_CARRIER, "phone_number": message.to, "status": message.status}


def _sender(message: Message) -> dict[str, Any]:
    if message.type == "RCS":
        return {"agent_id": message.sender, "agent_name": message.agent_name or message.sender}
    return {**_TELNYX, "phone_number": message.sender}


def _addressee(message: Message) -> dict[str, Any]:
    if message.type == "RCS":
        return {"agent_id": message.to, "agent_name": message.agent_name or message.to}
    return {**_TELNYX, "phone_number": message.to, "status": "webhook_delivered"}


def _content(message: Message) -> dict[str, Any]:
    if message.type == "WHATSAPP":
        return _whatsapp_content(message)
    if message.type != "RCS":
        return _text_fields(message)
    if message.direction == "inbound":
        return {"body": message.content}
    return {"body": message.content.get("content_message", {}), "wait_seconds": message.wait_seconds}


def _whatsapp_content(message: Message) -> dict[str, Any]:
    """Source: SDK 4.189, the `Body` of both payloads."""
    if message.direction == "inbound":
        return {"body": message.content}
    return {"body": {"whatsapp_message": message.content}, "wait_seconds": message.wait_seconds}


def _text_fields(message: Message) -> dict[str, Any]:
    fields = {
        "text": message.text,
        "subject": message.subject,
        "media": [_medium(message, url) for url in message.media_urls],
        "encoding": message.encoding,
        "parts": message.parts,
        "num_chars": len(message.text),
        "tcr_campaign_billable": False,
        "tcr_campaign_id": None,
        "tcr_campaign_registered": None,
    }
    outbound = {"smart_encoding_applied": False, "wait_seconds": message.wait_seconds}
    return fields | outbound if message.direction == "outbound" else fields


def _medium(message: Message, url: str) -> dict[str, Any]:
    if message.direction == "outbound":
        return {"url": url, "content_type": None, "sha256": None, "size": None}
    return {"url": url, "content_type": "image/jpeg", "hash_sha256": "0" * 32, "size": 1024}


def _times(message: Message) -> dict[str, Any]:
    return {
        "received_at": iso(message.received_at),
        "sent_at": _maybe(message.sent_at),
        "completed_at": _maybe(message.completed_at),
        "valid_until": None if message.sent_at or message.direction == "inbound" else iso(message.received_at + 3600),
    }


def _maybe(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)


def _costs(message: Message) -> dict[str, Any]:
    if message.type in ("RCS", "WHATSAPP"):
        return {"cost": None, "cost_breakdown": None}
    breakdown = {"rate": _amount(_RATE * message.parts), "carrier_fee": _amount(_CARRIER_FEE * message.parts)}
    return {"cost": _amount((_RATE + _CARRIER_FEE) * message.parts), "cost_breakdown": breakdown}


def _amount(amount: float) -> dict[str, str]:
    return {"amount": f"{amount:.5f}", "currency": _CURRENCY}
