"""The payload of a webhook about a toll-free verification request."""

from typing import ClassVar

from pydantic import AliasChoices, Field

from service.events.tolerant_model import ForgivingModel


class TollFreeUpdate(ForgivingModel):
    """A hint that a verification request has changed: read the request itself before acting on it.

    Telnyx publishes neither the event's type nor its payload; the names here are those of its samples and of the
    request itself (OpenAPI `TFVerificationRequest`), in the casings seen.
    """

    printable: ClassVar[frozenset[str]] = frozenset({"id", "status"})

    id: str | None = Field(
        None, validation_alias=AliasChoices("id", "verification_request_id", "verificationRequestId", "request_id")
    )
    status: str | None = Field(
        None, validation_alias=AliasChoices("verificationStatus", "verification_status", "status")
    )
    reason: str | None = Field(None, validation_alias=AliasChoices("reason", "rejectionReason", "rejection_reason"))
