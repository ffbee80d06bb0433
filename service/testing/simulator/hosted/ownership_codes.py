"""The codes by which the owner of a number proves to be its owner."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OwnershipCode:
    """The latest code that was sent to a number of an order."""

    order_id: str
    phone_number: str
    code: str


class OwnershipCodes:
    """The codes under way, as a person at the phone would see them."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], OwnershipCode] = {}

    def put(self, code: OwnershipCode) -> None:
        """Send a code; it takes the place of an earlier one."""
        self._codes[code.order_id, code.phone_number] = code

    def of_order(self, order_id: str) -> list[OwnershipCode]:
        """The codes of one order."""
        return [code for code in self._codes.values() if code.order_id == order_id]

    def fits(self, order_id: str, phone_number: str, code: str) -> bool:
        """Whether `code` is the one that the number was sent."""
        sent = self._codes.get((order_id, phone_number))
        return sent is not None and sent.code == code
