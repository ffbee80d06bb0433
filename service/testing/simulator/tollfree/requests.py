"""Toll-free verification requests, and the history of each."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from service.testing.simulator.simulated_clock import iso

VerificationStatus = Literal[
    "Verified", "Rejected", "Waiting For Vendor", "Waiting For Customer", "Waiting For Telnyx", "In Progress"
]
"""Source: OpenAPI `TFVerificationStatus`."""


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One entry of a request's history; `at` is simulated seconds since 1970."""

    status: VerificationStatus
    at: float
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The entry as Telnyx shows it. Source: OpenAPI `VerificationStatusHistoryEntry`."""
        return {"verificationStatus": self.status, "reason": self.reason, "updatedAt": iso(self.at)}


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """One request: the submission, and its history, oldest first; the last entry is its status."""

    id: str
    fields: dict[str, Any]
    history: tuple[StatusChange, ...]

    @property
    def status(self) -> VerificationStatus:
        """Where the request stands."""
        return self.history[-1].status

    @property
    def phone_numbers(self) -> set[str]:
        """The toll-free numbers that it is about."""
        return {entry["phoneNumber"] for entry in self.fields["phoneNumbers"]}

    def with_status(self, change: StatusChange) -> "VerificationRequest":
        """The request after `change`."""
        return replace(self, history=(*self.history, change))

    def submitted(self) -> dict[str, Any]:
        """The request as POST and PATCH answer it. Source: OpenAPI `VerificationRequestEgress`."""
        return {
            **self.fields,
            "id": self.id,
            "verificationRequestId": self.id,
            "verificationStatus": self.status,
        }

    def as_json(self) -> dict[str, Any]:
        """The request as GET shows it. Source: OpenAPI `VerificationRequestStatus`."""
        last = self.history[-1]
        shown = {
            **self.fields,
            "id": self.id,
            "verificationStatus": self.status,
            "createdAt": iso(self.history[0].at),
            "updatedAt": iso(last.at),
        }
        return shown if last.reason is None else shown | {"reason": last.reason}


class VerificationRequests:
    """The requests by id; deleted ones are gone."""

    def __init__(self) -> None:
        self._requests: dict[str, VerificationRequest] = {}

    def __iter__(self) -> Iterator[VerificationRequest]:
        return iter(list(self._requests.values()))

    def __len__(self) -> int:
        return len(self._requests)

    def put(self, request: VerificationRequest) -> None:
        """Add a request, or replace the one of that id."""
        self._requests[request.id] = request

    def remove(self, request_id: str) -> None:
        """Forget the request of that id."""
        self._requests.pop(request_id, None)

    def find(self, request_id: str) -> VerificationRequest | None:
        """The request of that id."""
        return self._requests.get(request_id)

    def verified_with(self, phone_numbers: set[str]) -> VerificationRequest | None:
        """A verified request about one of these numbers."""
        return next((r for r in self if r.status == "Verified" and r.phone_numbers & phone_numbers), None)

    def is_unverified(self, phone_number: str) -> bool:
        """Whether there are requests about the number and none of them is verified."""
        statuses = {request.status for request in self if phone_number in request.phone_numbers}
        return bool(statuses) and "Verified" not in statuses
