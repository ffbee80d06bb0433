"""Toll-free verification requests, the history of each, and decisions on them.

The webhook about a decision is not documented. One of its shapes is that of Telnyx's own sample. Three more come from
other pages and public code.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from service.testing.simulator.api.fields import Script
from service.testing.simulator.resources import Resources
from service.testing.simulator.simulated_clock import iso
from service.testing.simulator.webhooks.events import WebhookTarget, new_event

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

VerificationStatus = Literal[
    "Verified", "Rejected", "Waiting For Vendor", "Waiting For Customer", "Waiting For Telnyx", "In Progress"
]
"""Source: OpenAPI `TFVerificationStatus`."""

Shape = Literal[
    "toll_free_verification.status_update",
    "verification_request.status_updated",
    "toll_free_verification.updated",
    "messaging_profile.toll_free_verification.updated",
]


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One entry of a request's history. `at` is simulated seconds since 1970."""

    status: VerificationStatus
    at: float
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the entry as Telnyx shows it. Source: OpenAPI `VerificationStatusHistoryEntry`."""
        return {"verificationStatus": self.status, "reason": self.reason, "updatedAt": iso(self.at)}


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """One request: the submission, and its history, oldest first. The last entry is its status."""

    id: str
    fields: dict[str, Any]
    history: tuple[StatusChange, ...]

    @property
    def status(self) -> VerificationStatus:
        """The current status."""
        return self.history[-1].status

    @property
    def phone_numbers(self) -> set[str]:
        """The toll-free numbers of the request."""
        return {entry["phoneNumber"] for entry in self.fields["phoneNumbers"]}

    def with_status(self, change: StatusChange) -> "VerificationRequest":
        """Return the request after `change`."""
        return replace(self, history=(*self.history, change))

    def submitted(self) -> dict[str, Any]:
        """Return the request as POST and PATCH answer it. Source: OpenAPI `VerificationRequestEgress`."""
        ids = {"id": self.id, "verificationRequestId": self.id}
        return {**self.fields, **ids, "verificationStatus": self.status}

    def as_json(self) -> dict[str, Any]:
        """Return the request as GET shows it. Source: OpenAPI `VerificationRequestStatus`."""
        last = self.history[-1]
        times = {"createdAt": iso(self.history[0].at), "updatedAt": iso(last.at)}
        shown = {**self.fields, "id": self.id, "verificationStatus": self.status, **times}
        return shown if last.reason is None else shown | {"reason": last.reason}


class VerificationRequests(Resources[VerificationRequest]):
    """The requests by id. Deleted ones are gone."""

    def verified_with(self, phone_numbers: set[str]) -> VerificationRequest | None:
        """Return a verified request about one of these numbers, or None."""
        return next((r for r in self if r.status == "Verified" and r.phone_numbers & phone_numbers), None)

    def is_unverified(self, phone_number: str) -> bool:
        """Return whether there are requests about the number and none of them is verified."""
        statuses = {request.status for request in self if phone_number in request.phone_numbers}
        return bool(statuses) and "Verified" not in statuses


class ReviewDecision(Script):
    """A new status, its reason, and the event type of the webhook. Without `shape` none is sent."""

    status: VerificationStatus
    reason: str | None = Field(None, max_length=500)
    shape: Shape | None = "toll_free_verification.status_update"


def decide(account: "Account", request_id: str, decision: ReviewDecision) -> VerificationRequest:
    """Note the decision, and send the webhook to the request's `webhookUrl`.

    Raises:
        ApiError: 404, there is no such request.
    """
    change = StatusChange(decision.status, account.clock.now(), decision.reason)
    decided = account.verification_requests.known(request_id).with_status(change)
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
