"""Messages as Telnyx writes them, in answers and in webhooks."""

from typing import Any

from service.testing.simulator.messages.message import Message
from service.testing.simulator.simulated_clock import iso

ORGANIZATION_ID = "9d76d591-1b7d-405d-8c64-1320ee070245"
"""The organization that the simulated account belongs to."""

_TELNYX = {"carrier": "Telnyx", "line_type": "Wireless"}
_NO_CAMPAIGN = {"tcr_campaign_billable": False, "tcr_campaign_id": None, "tcr_campaign_registered": None}
_RATE = 0.00205
_CARRIER_FEE = 0.00305


def payload(message: Message) -> dict[str, Any]:
    """Return the message as webhooks and most answers carry it.

    Source: OpenAPI `OutboundMessagePayload` and `InboundMessagePayload`. Knowledge base, receiving RCS webhooks. For
    RCS and WhatsApp the SDK's payloads, where `to` of an inbound WhatsApp message is a text.
    """
    shown = {
        **_head(message),
        **(_outbound_parties(message) if message.direction == "outbound" else _inbound_parties(message)),
        "cc": [],
        **_content(message),
        **_times(message),
        **_costs(message),
        "errors": list(message.errors),
        "tags": [],
        "webhook_url": message.webhook_url,
        "webhook_failover_url": message.webhook_failover_url,
    }
    return shown if message.autoresponse_type is None else shown | {"autoresponse_type": message.autoresponse_type}


def accepted_payload(message: Message, sender: dict[str, Any], body: Any) -> dict[str, Any]:
    """Return the answer to a send by RCS or WhatsApp. Source: SDK 4.189, `MessageWhatsappResponse` and RCS's."""
    parties = {"from": {**sender, "carrier": "Telnyx"}, "to": [_recipient(message)]}
    times = {"received_at": iso(message.received_at), "wait_seconds": message.wait_seconds}
    return {**_head(message), **parties, "body": body, "encoding": message.encoding, **times}


def _head(message: Message) -> dict[str, Any]:
    named = {name: getattr(message, name) for name in ("direction", "id", "type", "messaging_profile_id")}
    return {"record_type": "message", "organization_id": ORGANIZATION_ID, **named}


def _recipient(message: Message) -> dict[str, Any]:
    return {**_carrier(message), "phone_number": message.to, "status": message.status}


def _carrier(message: Message) -> dict[str, Any]:
    return {"carrier": message.carrier, "line_type": "Wireless"}


def _outbound_parties(message: Message) -> dict[str, Any]:
    sender = _agent(message, message.sender) or {**_TELNYX, "phone_number": message.sender}
    return {"from": sender, "to": [_recipient(message)]}


def _inbound_parties(message: Message) -> dict[str, Any]:
    ours = _agent(message, message.to) or {**_TELNYX, "phone_number": message.to, "status": "webhook_delivered"}
    sender = {**_carrier(message), "phone_number": message.sender, "status": "received"}
    return {"from": sender, "to": message.to if message.type == "WHATSAPP" else [ours]}


def _agent(message: Message, agent_id: str) -> dict[str, Any] | None:
    return {"agent_id": agent_id, "agent_name": message.agent_name or agent_id} if message.type == "RCS" else None


def _content(message: Message) -> dict[str, Any]:
    if message.type in ("SMS", "MMS"):
        return _text_fields(message)
    if message.direction == "inbound":
        return {"body": message.content}
    rich = {"whatsapp_message": message.content}
    body = rich if message.type == "WHATSAPP" else message.content.get("content_message", {})
    return {"body": body, "wait_seconds": message.wait_seconds}


def _text_fields(message: Message) -> dict[str, Any]:
    said = {"text": message.text, "subject": message.subject, "num_chars": len(message.text)}
    sent_as = {"encoding": message.encoding, "parts": message.parts}
    media = [_medium(message, url) for url in message.media_urls]
    fields = {**said, "media": media, **sent_as, **_NO_CAMPAIGN}
    outbound = {"smart_encoding_applied": False, "wait_seconds": message.wait_seconds}
    return fields | outbound if message.direction == "outbound" else fields


def _medium(message: Message, url: str) -> dict[str, Any]:
    if message.direction == "outbound":
        return {"url": url, "content_type": None, "sha256": None, "size": None}
    return {"url": url, "content_type": "image/jpeg", "hash_sha256": "0" * 32, "size": 1024}


def _times(message: Message) -> dict[str, Any]:
    waits = not message.sent_at and message.direction == "outbound"
    return {
        "received_at": iso(message.received_at),
        "sent_at": message.sent_at and iso(message.sent_at),
        "completed_at": message.completed_at and iso(message.completed_at),
        "valid_until": iso(message.received_at + 3600) if waits else None,
    }


def _costs(message: Message) -> dict[str, Any]:
    if message.type in ("RCS", "WHATSAPP"):
        return {"cost": None, "cost_breakdown": None}
    breakdown = {"rate": _amount(_RATE * message.parts), "carrier_fee": _amount(_CARRIER_FEE * message.parts)}
    return {"cost": _amount((_RATE + _CARRIER_FEE) * message.parts), "cost_breakdown": breakdown}


def _amount(amount: float) -> dict[str, str]:
    return {"amount": f"{amount:.5f}", "currency": "USD"}
