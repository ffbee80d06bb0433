"""Decisions on toll-free verification requests, and the webhooks that tell of them.

The webhook is not documented. The shapes here are those that pages and public code show or guess: the name in
Telnyx's own sample, and three others.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import not_found
from service.testing.simulator.tollfree.requests import StatusChange, VerificationRequest, VerificationStatus
from service.testing.simulator.webhooks.events import WebhookTarget, new_event

Shape = Literal[
    "toll_free_verification.status_update",
    "verification_request.status_updated",
    "toll_free_verification.updated",
    "messaging_profile.toll_free_verification.updated",
]


class ReviewDecision(BaseModel):
    """A new status, the reason for it, and which event type the webhook has; without `shape` none is sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: VerificationStatus
    reason: str | None = Field(None, max_length=500)
    shape: Shape | None = "toll_free_verification.status_update"


def decide(account: Account, request_id: str, decision: ReviewDecision) -> VerificationRequest:
    """Note the decision, and send the webhook to the request's `webhookUrl`.

    Raises:
        ApiError: 404, there is no such request.
    """
    request = account.verification_requests.find(request_id)
    if request is None:
        raise not_found()
    decided = request.with_status(StatusChange(decision.status, account.clock.now(), decision.reason))
    account.verification_requests.put(decided)
    if decision.shape is not None:
        event = new_event(account.clock, account.identifiers, decision.shape, _payload(decided, decision))
        account.courier.send(event, WebhookTarget(decided.fields.get("webhookUrl")))
    return decided


def _payload(request: VerificationRequest, decision: ReviewDecision) -> dict[str, Any]:
    if decision.shape == "toll_free_verification.status_update":
        return {"id": request.id, "status": decision.status.lower(), "rejectionReason": decision.reason}
    return {
        "id": request.id,
        "verificationRequestId": request.id,
        "verificationStatus": decision.status,
        "reason": decision.reason,
        "phoneNumbers": request.fields["phoneNumbers"],
    }
