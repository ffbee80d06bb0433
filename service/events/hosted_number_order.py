"""The payload of `messaging_hosted_numbers_orders.*`."""

from typing import Annotated, ClassVar

from pydantic import AliasChoices, BeforeValidator, Field

from service.events.tolerant_model import Moment, TolerantModel, list_of


class HostedNumber(TolerantModel):
    """One number of an order."""

    phone_number: str | None = Field(None, validation_alias=AliasChoices("value", "phone_number"))
    status: str | None = None


class HostedNumberOrder(TolerantModel):
    """A hosted number order as its webhooks tell of it. Source: OpenAPI `HostedNumberOrderEventPayload`.

    Older pages call `decision` `approval_decision`; `approval_deadline` is there while a transfer within Telnyx waits.
    """

    printable: ClassVar[frozenset[str]] = frozenset({"order_id", "order_status", "decision", "status"})

    order_id: str | None = Field(None, validation_alias=AliasChoices("order_id", "id"))
    order_status: str | None = Field(None, validation_alias=AliasChoices("order_status", "status"))
    messaging_profile_id: str | None = Field(None, validation_alias=AliasChoices("profile_id", "messaging_profile_id"))
    user_id: str | None = None
    numbers: Annotated[list[HostedNumber], BeforeValidator(list_of)] = Field(
        default_factory=list, validation_alias=AliasChoices("numbers", "phone_numbers")
    )
    decision: str | None = Field(None, validation_alias=AliasChoices("decision", "approval_decision"))
    approval_deadline: Moment = None
