"""The payload of `messaging_hosted_numbers_orders.*`."""

from typing import Annotated, Any, ClassVar

from pydantic import AliasChoices, BeforeValidator, Field

from service.events.tolerant_model import ForgivingModel, Moment, list_of


def _numbers(value: object) -> object:
    """Numbers as texts, as objects, or as the names of an object; anything else is left out."""
    if isinstance(value, dict) and not value.keys() & {"value", "phone_number"}:
        value = [{**_fields(fields), "phone_number": number} for number, fields in value.items()]
    listed = list_of(value)
    numbers = [{"phone_number": each} if isinstance(each, str | int) else each for each in _items(listed)]
    return [each for each in numbers if isinstance(each, dict | HostedNumber)]


def _items(listed: object) -> list[object]:
    return listed if isinstance(listed, list) else []


def _fields(told: object) -> dict[str, Any]:
    return told if isinstance(told, dict) else {"status": told}


class HostedNumber(ForgivingModel):
    """One number of an order."""

    phone_number: str | None = Field(None, validation_alias=AliasChoices("value", "phone_number"))
    status: str | None = None


class HostedNumberOrder(ForgivingModel):
    """A hosted number order as its webhooks tell of it. Source: OpenAPI `HostedNumberOrderEventPayload`.

    Older pages call `decision` `approval_decision`; `approval_deadline` is there while a transfer within Telnyx waits.
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
