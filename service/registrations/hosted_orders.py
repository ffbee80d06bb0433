"""The operations of Telnyx on hosted numbers and their orders."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Literal, TypeVar

from telnyx import AsyncTelnyx, NotFoundError, omit
from telnyx.types.messaging_hosted_number_order_check_eligibility_response import PhoneNumber as Eligibility
from telnyx.types.messaging_hosted_number_order_create_verification_codes_response import Data as SentCode
from telnyx.types.messaging_hosted_number_order_validate_codes_response import DataPhoneNumber as CheckedCode
from telnyx.types.shared import MessagingHostedNumberOrder, PhoneNumberWithMessagingSettings

from service.events import HostedNumber, HostedNumberOrder
from service.outbound.list_pages import rows_of

T = TypeVar("T")

_PROVEN = frozenset({"successful", "provisioning", "deleted"})


async def orders(telnyx: AsyncTelnyx) -> list[MessagingHostedNumberOrder]:
    """Return all orders, from all pages."""
    return [each async for each in rows_of(telnyx.messaging_hosted_number_orders.list(page_size=50), "orders")]


async def hosted_numbers(telnyx: AsyncTelnyx) -> list[PhoneNumberWithMessagingSettings]:
    """Return all hosted numbers, from all pages."""
    return [each async for each in rows_of(telnyx.messaging_hosted_numbers.list(page_size=50), "hosted numbers")]


async def find(telnyx: AsyncTelnyx, *, order_id: str) -> MessagingHostedNumberOrder | None:
    """Return the order of that id, or None where there is none."""
    answer = await found(telnyx.messaging_hosted_number_orders.retrieve(order_id))
    return answer.data if answer else None


async def find_number(telnyx: AsyncTelnyx, *, number: str) -> PhoneNumberWithMessagingSettings | None:
    """Return the hosted number by number or id, or None where there is none."""
    answer = await found(telnyx.messaging_hosted_numbers.retrieve(number))
    return answer.data if answer else None


async def check_eligibility(telnyx: AsyncTelnyx, *, numbers: Sequence[str]) -> list[Eligibility]:
    """Return whether each of these numbers can be hosted."""
    answer = await telnyx.messaging_hosted_number_orders.check_eligibility(phone_numbers=list(numbers))
    return answer.phone_numbers or []


async def create(telnyx: AsyncTelnyx, *, numbers: Sequence[str], profile: str | None) -> MessagingHostedNumberOrder:
    """Order that these numbers be hosted."""
    answer = await telnyx.messaging_hosted_number_orders.create(
        phone_numbers=list(numbers), messaging_profile_id=profile or omit
    )
    return answer.data or MessagingHostedNumberOrder()


def numbers_of(order: MessagingHostedNumberOrder) -> list[HostedNumber]:
    """Return the numbers of an order, each a text or an object. The SDK does not check the API's answer."""
    listed = order.to_dict(mode="python", warnings=False).get("phone_numbers")
    return HostedNumberOrder.model_validate({"numbers": listed}).numbers


async def unproven(telnyx: AsyncTelnyx, *, order_id: str) -> list[str]:
    """Return the numbers of an order whose ownership may yet have to be proven."""
    order = (await telnyx.messaging_hosted_number_orders.retrieve(order_id)).data or MessagingHostedNumberOrder()
    return [each.phone_number for each in numbers_of(order) if each.phone_number and each.status not in _PROVEN]


async def send_codes(
    telnyx: AsyncTelnyx, *, order_id: str, numbers: Sequence[str], method: Literal["sms", "call"]
) -> list[SentCode]:
    """Send or speak a code to each of these numbers. A row with an `error` is one that failed."""
    answer = await telnyx.messaging_hosted_number_orders.create_verification_codes(
        order_id, phone_numbers=list(numbers), verification_method=method
    )
    return answer.data


async def validate_codes(telnyx: AsyncTelnyx, *, order_id: str, codes: Mapping[str, str]) -> list[CheckedCode]:
    """Give back the codes by number. Each is then `verified`, `rejected` or `already_verified`."""
    answer = await telnyx.messaging_hosted_number_orders.validate_codes(
        order_id, verification_codes=[{"phone_number": number, "code": code} for number, code in codes.items()]
    )
    return answer.data.phone_numbers if answer.data else []


async def upload_papers(
    telnyx: AsyncTelnyx, *, order_id: str, papers: Mapping[str, bytes]
) -> MessagingHostedNumberOrder:
    """Upload PDF files: `loa`, the signed letter of authorisation, and `bill`, the carrier's latest."""
    files = {name: (f"{name}.pdf", content, "application/pdf") for name, content in papers.items()}
    answer = await telnyx.messaging_hosted_number_orders.actions.upload_file(
        order_id, loa=files.get("loa", omit), bill=files.get("bill", omit)
    )
    return answer.data or MessagingHostedNumberOrder(id=order_id)


async def assign_profile(telnyx: AsyncTelnyx, *, number: str, profile: str) -> PhoneNumberWithMessagingSettings:
    """Give a hosted number another messaging profile."""
    answer = await telnyx.messaging_hosted_numbers.update(number, messaging_profile_id=profile)
    return answer.data or PhoneNumberWithMessagingSettings.construct()


async def delete_order(telnyx: AsyncTelnyx, *, order_id: str) -> bool:
    """Delete an order. Return False where there was none."""
    return await found(telnyx.messaging_hosted_number_orders.delete(order_id)) is not None


async def delete_hosted_number(telnyx: AsyncTelnyx, *, number: str) -> bool:
    """Stop hosting a number. Return False where there was none."""
    return await found(telnyx.messaging_hosted_numbers.delete(number)) is not None


async def found(answer: Awaitable[T]) -> T | None:
    """Await an answer of Telnyx. Return None for a 404."""
    try:
        return await answer
    except NotFoundError:
        return None
