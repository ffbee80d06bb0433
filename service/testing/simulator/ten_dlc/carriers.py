"""The mobile carriers of the United States: their ids in the registry, and which phone is with which.

Telnyx does not publish the ids that `operationStatus` uses. These are The Campaign Registry's (a guess).
"""

from collections.abc import Mapping
from typing import Annotated

from service.testing.simulator.api.fields import ControlBody, PhoneNumber, one_of

MNO_IDS: Mapping[str, str] = {"AT&T": "10017", "T-Mobile": "10035", "US Cellular": "10037", "Verizon": "10038"}
"""The registry's id of each carrier."""
LISTED: Mapping[str, str] = {
    "AT&T": "AT&T MOBILITY",
    "T-Mobile": "T-MOBILE USA, INC.",
    "US Cellular": "US CELLULAR",
    "Verizon": "VERIZON WIRELESS",
}
"""The names of carriers in `to[].carrier` of messages."""

Carrier = Annotated[str, one_of([*MNO_IDS])]


class CarrierOfPhone(ControlBody):
    """The carrier of a phone."""

    phone_number: PhoneNumber
    carrier: Carrier


class PhoneCarriers:
    """The carrier of each phone. All that nobody set are with T-Mobile."""

    def __init__(self) -> None:
        self._carriers: dict[str, str] = {}

    def set(self, phone_number: str, carrier: str) -> None:
        """Let that phone be with a carrier from now on."""
        self._carriers[phone_number] = carrier

    def of(self, phone_number: str) -> str:
        """Return the carrier of a phone."""
        return self._carriers.get(phone_number, "T-Mobile")

    def listed(self, phone_number: str) -> str:
        """Return the carrier of a phone as messages name it."""
        return LISTED[self.of(phone_number)]
