"""Bodies as Telnyx would send them; made by the project, after the published shapes."""

import uuid
from datetime import UTC, datetime
from typing import Any

Body = dict[str, Any]


def fresh_number() -> str:
    """A number that no other test uses (in the range reserved for fiction)."""
    return f"+1312555{uuid.uuid4().int % 10_000:04d}{uuid.uuid4().int % 1000:03d}"


def envelope(event_type: str, payload: Body, *, event_id: str | None = None, attempt: int = 1) -> Body:
    """The body of one delivery."""
    return {
        "data": {
            "record_type": "event",
            "event_type": event_type,
            "id": event_id or str(uuid.uuid4()),
            "occurred_at": now(),
            "payload": payload,
        },
        "meta": {"attempt": attempt, "delivered_to": "https://ringback.example/webhooks"},
    }


def finalized_rcs(status: str, number: str, *, text: str | None = "Your table is ready", **changes: Any) -> Body:
    """The payload of an outbound RCS message that ended with `status`."""
    return {
        "id": str(uuid.uuid4()),
        "record_type": "message",
        "direction": "outbound",
        "type": "RCS",
        "messaging_profile_id": "83d2343b-553f-4c5f-b8c8-fd27004f94bf",
        "from": {"agent_id": "agent-1", "agent_name": "Ringback Diner"},
        "to": [{"phone_number": number, "status": status, "carrier": "T-MOBILE USA, INC.", "line_type": "Wireless"}],
        "body": {"text": text} if text is not None else {},
        "errors": [],
        "sent_at": now(),
        "received_at": now(),
        "completed_at": now(),
        "cost": None,
        **changes,
    }


def received_sms(number: str, text: str, **changes: Any) -> Body:
    """The payload of an inbound SMS."""
    return {
        "id": str(uuid.uuid4()),
        "record_type": "message",
        "direction": "inbound",
        "type": "SMS",
        "messaging_profile_id": "740572b6-099c-44a1-89b9-6c92163bc68d",
        "from": {"phone_number": number, "carrier": "T-Mobile USA", "line_type": "long_code"},
        "to": [{"phone_number": "+13125550100", "status": "webhook_delivered"}],
        "text": text,
        "media": [],
        "received_at": now(),
        **changes,
    }


def received_rcs(number: str, text: str) -> Body:
    """The payload of an inbound RCS message, which names an agent and no number of ours."""
    return {
        "id": str(uuid.uuid4()),
        "direction": "inbound",
        "type": "RCS",
        "messaging_profile_id": "740572b6-099c-44a1-89b9-6c92163bc68d",
        "from": {"phone_number": number, "status": "webhook_delivered"},
        "to": [{"agent_id": "agent-1", "agent_name": "Ringback Diner"}],
        "body": {"text": text},
    }


def now() -> str:
    """The time in Telnyx's form."""
    return datetime.now(UTC).isoformat()
