"""`RINGBACK_DRY_RUN`: what would have been sent is written down, and answered with a made-up result."""

import json
import uuid
from dataclasses import replace
from typing import Any

from service.events.event import parse_json
from service.outbound.api_call import Call
from service.outbound.effect_rules import answer_not_sent, conditions_of
from service.outbound.errors import TelnyxResponse
from service.outbound.run_ledger import RunLedger
from service.store.effects.ledger import StoredAnswer
from service.store.effects.send_conditions import NotAllowed

_BARE = ("/messaging_tollfree", "/rcs/", "/ai/")
"""Paths whose answers are the object itself; all others wrap it in `data`. Source: OpenAPI, SDK 4.189."""


async def pretend(journal: RunLedger, call: Call) -> TelnyxResponse:
    """Write an effect into the event's story as one that would have been, and make an answer up.

    Raises:
        LeaseLost: the lease is gone.
    """
    answer = made_up(call)
    entry = await journal.entry_of(call)
    known = await journal.known(entry) or entry
    would = replace(
        journal.intended(known, call),
        state="would",
        answer=StoredAnswer(answer.status, answer.headers["content-type"], answer.body),
    )
    if known.state in ("withdrawn", "refused", "forgotten", "would"):
        begun = await journal.begin(would, again=False, conditions=conditions_of(call))
        if isinstance(begun, NotAllowed):
            return answer_not_sent(begun)
    return answer


def made_up(call: Call) -> TelnyxResponse:
    """An answer of the usual form, with an id that says what it is."""
    told: dict[str, Any] = {"id": f"dry-run-{uuid.uuid4()}", **_fields(call)}
    if call.recipient is not None:
        told["to"] = [{"phone_number": each, "status": "queued"} for each in call.recipient.split(",")]
    body = told if call.path.startswith(_BARE) else {"data": told}
    return TelnyxResponse(200, {"content-type": "application/json"}, json.dumps(body).encode())


def _fields(call: Call) -> dict[str, Any]:
    try:
        fields = parse_json(call.body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
