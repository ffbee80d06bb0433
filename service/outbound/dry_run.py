"""`RINGBACK_DRY_RUN`: what would have been sent is written down, and answered with a made-up result."""

import json
import uuid
from dataclasses import replace
from typing import Any

from service.outbound.api_call import Call, json_object
from service.outbound.effect_rules import answer_not_sent, conditions_of
from service.outbound.errors import TelnyxResponse
from service.outbound.run_ledger import RunLedger
from service.store.effects.ledger import StoredAnswer
from service.store.facts.message_states import NotAllowed

_BARE = ("/messaging_tollfree", "/rcs/", "/ai/")
"""Paths whose answers are the object itself. All others wrap it in `data`. Source: OpenAPI, SDK 4.189."""


async def pretend(ledger: RunLedger, call: Call) -> TelnyxResponse:
    """Record an effect in the event's timeline as one that would have been, and make up an answer.

    Raises:
        LeaseLost: the lease is gone.
    """
    answer = made_up(call)
    entry = await ledger.entry_of(call)
    known = await ledger.entry_now(entry) or entry
    would = replace(
        ledger.intended(known, call),
        state="would",
        answer=StoredAnswer(answer.status, answer.headers["content-type"], answer.body),
    )
    if known.state in ("withdrawn", "refused", "forgotten", "would"):
        begun = await ledger.begin(would, again=False, conditions=conditions_of(call))
        if isinstance(begun, NotAllowed):
            return answer_not_sent(begun)
    return answer


def made_up(call: Call) -> TelnyxResponse:
    """Return an answer of the usual form, with an id that says what it is."""
    made: dict[str, Any] = {"id": f"dry-run-{uuid.uuid4()}", **json_object(call.body)}
    if call.recipient is not None:
        made["to"] = [{"phone_number": each, "status": "queued"} for each in call.recipient.split(",")]
    body = made if call.path.startswith(_BARE) else {"data": made}
    return TelnyxResponse(200, {"content-type": "application/json"}, json.dumps(body).encode())
