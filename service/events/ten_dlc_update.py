"""The payload of `10dlc.brand.update`, `10dlc.campaign.update` and `10dlc.phone_number.update`."""

from typing import Annotated, ClassVar

from pydantic import AliasChoices, BeforeValidator, Field

from service.events.tolerant_model import ForgivingModel, list_of


def _reasons(value: object) -> object:
    reasons = list_of(value)
    if not isinstance(reasons, list):
        return reasons
    told = [{"description": each} if isinstance(each, str) else each for each in reasons]
    return [each for each in told if isinstance(each, dict | Reason)]


class Reason(ForgivingModel):
    """Why something was refused, and which fields are meant."""

    description: str | None = None
    fields: Annotated[list[str], BeforeValidator(list_of)] = Field(default_factory=list)


class TenDlcUpdate(ForgivingModel):
    """A change to a brand, a campaign or a number of one.

    Telnyx publishes two forms, and both are read: within `data.payload` (knowledge base, 10DLC event notifications)
    and flat (OpenAPI `CampaignStatusUpdateEvent`). `status` is `ACCEPTED`, `REJECTED`, `DORMANT`, `success` or `failed`
    of a campaign, `type` what kind of change it is, such as `REGISTRATION` or `MNO_REVIEW`.
    """

    printable: ClassVar[frozenset[str]] = frozenset({"brand_id", "campaign_id", "type", "status"})

    brand_id: str | None = Field(None, validation_alias=AliasChoices("brandId", "brand_id"))
    campaign_id: str | None = Field(None, validation_alias=AliasChoices("campaignId", "campaign_id"))
    phone_number: str | None = Field(None, validation_alias=AliasChoices("phoneNumber", "phone_number"))
    type: str | None = None
    status: str | None = None
    description: str | None = None
    reasons: Annotated[list[Reason], BeforeValidator(_reasons)] = Field(default_factory=list)
