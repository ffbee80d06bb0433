"""Webhooks that are signed beforehand: each a distinct event of the shape that Telnyx sends."""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import orjson
from nacl.signing import SigningKey

from service.security.telnyx_signature import public_key_text, sign

RECEIVED_BYTES = 1668
"""The size of the `message.received` that the baselines were measured with."""

MOST_NUMBERS = 8_000_000
KEY = SigningKey.generate()
PUBLIC_KEY = public_key_text(KEY)

Make = Callable[[str], bytes]


def received(event_id: str, *, numbers: int = MOST_NUMBERS) -> bytes:
    """Return a `message.received` of 1,668 bytes. All together come from this many numbers."""
    to = {**_OURS, "status": "webhook_delivered"}
    payload = {**_message("inbound"), "from": _phone(event_id, numbers), "to": [to]}
    short = _event("message.received", event_id, {**payload, "text": ""})
    return _event("message.received", event_id, {**payload, "text": "x" * (RECEIVED_BYTES - len(short))})


def finalized(event_id: str) -> bytes:
    """Return a `message.finalized` of an SMS with one recipient."""
    to = {**_phone(event_id), "status": "delivered"}
    payload = {**_message("outbound"), "from": _OURS, "to": [to], "text": "Your table is ready.", "cost": _COST}
    return _event("message.finalized", event_id, {**payload, "completed_at": _now(), "sent_at": _now()})


def failed_rcs(event_id: str) -> bytes:
    """Return a `message.finalized` of an RCS message that could not be delivered."""
    payload = {
        **_message("outbound"),
        "type": "RCS",
        "from": {"agent_id": "agent-1", "agent_name": "Diner"},
        "to": [{**_phone(event_id), "status": "delivery_failed"}],
        "body": {"text": "Your table is ready."},
    }
    return _event("message.finalized", event_id, {**payload, "completed_at": _now(), "sent_at": _now()})


def small(event_id: str) -> bytes:
    """Return an event of a type without a model, which names one number."""
    return _event("bench.small", event_id, {"from": _phone(event_id)})


def requests(ids: list[str], make: Make, path: str = "/webhooks") -> list[bytes]:
    """Return a signed request for each event, as its bytes on the wire."""
    now = int(time.time())
    return [post(path, body := make(event_id), sign(body, KEY, now)) for event_id in ids]


def fresh_ids(count: int) -> list[str]:
    """Return ids of events that nobody has seen."""
    return [str(uuid.uuid4()) for _ in range(count)]


def post(path: str, body: bytes, headers: dict[str, str], length: int | None = None) -> bytes:
    """Return a POST as its bytes on the wire. `length` is declared where it is not that of the body."""
    declared = len(body) if length is None else length
    named = {"host": "localhost", "content-type": "application/json", "content-length": str(declared), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def _event(event_type: str, event_id: str, payload: dict[str, object]) -> bytes:
    data = {"event_type": event_type, "id": event_id, "occurred_at": _now(), "payload": payload, "record_type": "event"}
    return orjson.dumps({"data": data, "meta": {"attempt": 1, "delivered_to": "http://127.0.0.1/webhooks"}})


def _message(direction: str) -> dict[str, object]:
    return {
        "direction": direction,
        "encoding": "GSM-7",
        "errors": [],
        "id": str(uuid.uuid4()),
        "media": [],
        "messaging_profile_id": "740572b6-099c-44a1-89b9-6c92163bc68d",
        "organization_id": "47a530f8-4362-4526-829b-bcee17fd9f7a",
        "parts": 1,
        "received_at": _now(),
        "record_type": "message",
        "tags": [],
        "type": "SMS",
        "valid_until": None,
        "webhook_failover_url": None,
        "webhook_url": "http://127.0.0.1/webhooks",
    }


def _phone(event_id: str, numbers: int = MOST_NUMBERS) -> dict[str, object]:
    # No exchange of a real number begins with 0 or 1.
    digits = 2_000_000 + int(event_id.replace("-", ""), 16) % numbers
    return {"phone_number": f"+1312{digits:07d}", "carrier": "T-Mobile USA", "line_type": "Wireless"}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


_OURS: dict[str, object] = {"phone_number": "+13125550199", "carrier": "Telnyx", "line_type": "Wireless"}
_COST = {"amount": "0.0051", "currency": "USD"}
