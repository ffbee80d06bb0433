"""Bodies as Telnyx would send them, with the payloads of the samples."""

import itertools
import uuid
from datetime import UTC, datetime
from typing import Any

from service.testing.samples import event_data, payload_in, sample

Body = dict[str, Any]


_NUMBERS = itertools.count(uuid.uuid4().int)


def fresh_number() -> str:
    """A number of the valid length that nothing else in this process uses."""
    return f"+1312{2_000_000 + next(_NUMBERS) % 8_000_000}"


def envelope(event_type: str, payload: Body, *, event_id: str | None = None, attempt: int = 1) -> Body:
    """The body of one delivery."""
    data = event_data(event_type, payload, event_id=event_id or str(uuid.uuid4()), occurred_at=now())
    return {"data": data, "meta": {"attempt": attempt, "delivered_to": "https://ringback.example/webhooks"}}


def finalized_rcs(status: str, number: str, *, text: str | None = "Your table is ready", **changes: Any) -> Body:
    """The payload of an outbound RCS message that ended with `status`."""
    payload = payload_in(sample("rcs.delivered", number=number, set={"data.payload.to.0.status": status}))
    times = dict.fromkeys(("sent_at", "received_at", "completed_at"), now())
    return {**payload, **times, "body": {"text": text} if text is not None else {}, **changes}


def received_sms(number: str, text: str, **changes: Any) -> Body:
    """The payload of an inbound SMS."""
    to = {"data.payload.to.0.phone_number": "+13125550100"}
    return {**payload_in(sample("sms.received", number=number, set=to)), "text": text, **changes}


def received_rcs(number: str, text: str) -> Body:
    """The payload of an inbound RCS message, which names an agent and no number of ours."""
    return {**payload_in(sample("rcs.received", number=number)), "body": {"text": text}}


def now() -> str:
    """The time in Telnyx's form."""
    return datetime.now(UTC).isoformat()
