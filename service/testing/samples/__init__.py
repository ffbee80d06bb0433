"""Sample events as Telnyx would send them: for `ringback trigger`, `policy explain`, the test kit, tests and the demo.

`bodies` holds JSON with placeholders, `cases` and `scenarios.toml` say what becomes of them.
"""

from typing import Any

from service.testing.samples.cases import Body, UnknownSample, cases, payload_in, sample, scenarios
from service.testing.samples.placeholders import Subject, fresh_number

NUMBER = "+13125550101"
OUR_NUMBER = "+13125550199"
"""The number of the account in all samples."""

__all__ = [
    "NUMBER",
    "OUR_NUMBER",
    "Body",
    "Subject",
    "UnknownSample",
    "cases",
    "event_data",
    "fresh_number",
    "payload_in",
    "sample",
    "scenarios",
]


def event_data(event_type: str, payload: Body, *, event_id: str, occurred_at: str) -> dict[str, Any]:
    """Return the `data` of an event. Source: OpenAPI `webhooks`."""
    named = {"record_type": "event", "event_type": event_type, "id": event_id, "occurred_at": occurred_at}
    return {**named, "payload": payload}
