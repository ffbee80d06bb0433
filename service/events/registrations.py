"""The payloads of events about registrations: toll-free requests, 10DLC campaigns, hosted number orders."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import AliasChoices, BeforeValidator, Field

from service.events.tolerant_model import ForgivingModel, Moment, TolerantModel, list_of


class TollFreeUpdate(ForgivingModel):
    """A hint that a verification request has changed: read the request itself before acting on it.

    Telnyx publishes neither the event's type nor its payload. The names are those of its samples and of the request
    (OpenAPI `TFVerificationRequest`), in each casing that occurs.
    """

    printable: ClassVar[frozenset[str]] = frozenset({"id", "status"})

    id: str | None = Field(
        None, validation_alias=AliasChoices("id", "verification_request_id", "verificationRequestId", "request_id")
    )
    status: str | None = Field(
        None, validation_alias=AliasChoices("verificationStatus", "verification_status", "status")
    )
    reason: str | None = Field(None, validation_alias=AliasChoices("reason", "rejectionReason", "rejection_reason"))


class TollFreeStatusChanged(TolerantModel):
    """One change of a verification request's status, raised once. `previous` is None for the first known status."""

    id: str
    status: str
    previous: str | None = None
    reason: str | None = None
    changed_at: datetime | None = None
    phone_numbers: list[str] = Field(default_factory=list)
    business_name: str | None = None


def _reasons(value: object) -> object:
    told = [{"description": each} if isinstance(each, str) else each for each in list_of(value)]
    return [each for each in told if isinstance(each, dict | Reason)]


class Reason(ForgivingModel):
    """The reason for a refusal, and its fields."""

    description: str | None = None
    fields: Annotated[list[str], BeforeValidator(list_of)] = Field(default_factory=list)


class TenDlcUpdate(ForgivingModel):
    """A change to a brand, a campaign or a number of one.

    Telnyx publishes two forms, and both are read: within `data.payload` (knowledge base, 10DLC event notifications)
    and flat (OpenAPI `CampaignStatusUpdateEvent`). A campaign's `status` is `ACCEPTED`, `REJECTED`, `DORMANT`,
    `success` or `failed`. `type` is the kind of change, such as `REGISTRATION` or `MNO_REVIEW`. `campaign_id` is
    Telnyx's id, or of a nudge the one of The Campaign Registry. Its own events are named by `event_type`.
    """

    printable: ClassVar[frozenset[str]] = frozenset(
        {"brand_id", "campaign_id", "tcr_brand_id", "tcr_campaign_id", "type", "status", "event_type"}
    )

    brand_id: str | None = Field(None, validation_alias=AliasChoices("brandId", "brand_id"))
    campaign_id: str | None = Field(None, validation_alias=AliasChoices("campaignId", "campaign_id"))
    tcr_brand_id: str | None = Field(None, validation_alias=AliasChoices("tcrBrandId", "tcr_brand_id"))
    tcr_campaign_id: str | None = Field(None, validation_alias=AliasChoices("tcrCampaignId", "tcr_campaign_id"))
    phone_number: str | None = Field(None, validation_alias=AliasChoices("phoneNumber", "phone_number"))
    type: str | None = None
    status: str | None = None
    event_type: str | None = Field(None, validation_alias=AliasChoices("eventType", "event_type"))
    carrier: str | None = Field(None, validation_alias=AliasChoices("mnoName", "mno_name", "mno"))
    nudge_intent: str | None = Field(None, validation_alias=AliasChoices("nudgeIntent", "nudge_intent"))
    description: str | None = None
    reasons: Annotated[list[Reason], BeforeValidator(_reasons)] = Field(default_factory=list)


class _StatusChanged(TolerantModel):
    id: str
    status: str
    previous: str | None = None
    reason: str | None = None
    changed_at: datetime | None = None


class BrandStatusChanged(_StatusChanged):
    """One change of a 10DLC brand's status, raised once. `tcr_id` is its id in The Campaign Registry."""

    tcr_id: str | None = None
    name: str | None = None


class CampaignStatusChanged(_StatusChanged):
    """One change of a 10DLC campaign's status, raised once. `carriers` are those that suspend it alone.

    A `shared` campaign is another provider's, and `id` is its id in The Campaign Registry, as `tcr_id` is.
    """

    tcr_id: str | None = None
    brand_id: str | None = None
    shared: bool = False
    carriers: list[str] = Field(default_factory=list)


class NumberAssignmentStatusChanged(_StatusChanged):
    """One change of a number's assignment to a campaign, raised once. `carriers` are those that lost the number.

    `id` is a digest of the number.
    """

    phone_number: str | None = None
    campaign_id: str | None = None
    tcr_campaign_id: str | None = None
    carriers: list[str] = Field(default_factory=list)


def _numbers(value: object) -> object:
    """Read numbers as texts, as objects, or as the names of an object. Leave anything else out."""
    if isinstance(value, dict) and not value.keys() & {"value", "phone_number"}:
        value = [{**_fields(fields), "phone_number": number} for number, fields in value.items()]
    numbers = [{"phone_number": each} if isinstance(each, str | int) else each for each in list_of(value)]
    return [each for each in numbers if isinstance(each, dict | HostedNumber)]


def _fields(told: object) -> dict[str, Any]:
    return told if isinstance(told, dict) else {"status": told}


class HostedNumber(ForgivingModel):
    """One number of an order."""

    phone_number: str | None = Field(None, validation_alias=AliasChoices("value", "phone_number"))
    status: str | None = None


class HostedNumberOrder(ForgivingModel):
    """A hosted number order in its webhooks. Source: OpenAPI `HostedNumberOrderEventPayload`.

    Older pages call `decision` `approval_decision`. A waiting transfer within Telnyx has an `approval_deadline`.
    """

    printable: ClassVar[frozenset[str]] = frozenset({"order_id", "order_status", "decision", "status"})

    order_id: str | None = Field(None, validation_alias=AliasChoices("order_id", "id"))
    order_status: str | None = Field(None, validation_alias=AliasChoices("order_status", "status"))
    messaging_profile_id: str | None = Field(None, validation_alias=AliasChoices("profile_id", "messaging_profile_id"))
    user_id: str | None = None
    numbers: Annotated[list[HostedNumber], BeforeValidator(_numbers)] = Field(
        default_factory=list, validation_alias=AliasChoices("numbers", "phone_numbers")
    )
    decision: str | None = Field(None, validation_alias=AliasChoices("decision", "approval_decision"))
    approval_deadline: Moment = None
