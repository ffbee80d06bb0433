"""The RCS capabilities of phones: `GET /messaging/rcs/capabilities/…` and `POST /messaging/rcs/bulk_capabilities`."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from service.testing.simulator.api.api_error import refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import PhoneNumber, RequestBody
from service.testing.simulator.phone_numbers import is_e164
from service.testing.simulator.rcs.agents import RcsAgent, known_agent

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

Capability = Literal["full", "text", "none"]

FEATURES: dict[Capability, list[str] | None] = {
    "full": [
        "ACTION_CREATE_CALENDAR_EVENT",
        "ACTION_DIAL",
        "ACTION_OPEN_URL",
        "ACTION_OPEN_URL_IN_WEBVIEW",
        "ACTION_SHARE_LOCATION",
        "ACTION_VIEW_LOCATION",
        "RICHCARD_CAROUSEL",
        "RICHCARD_STANDALONE",
    ],
    "text": ["GENERIC_RCS_FEATURE"],
    "none": None,
}
"""Source: knowledge base, RCS capabilities and deeplinks; the OpenAPI document does not let `features` be null."""

_NOT_CAPABLE = "RCS is disabled or agent is not provisioned for the carrier"
_MOST_NUMBERS = 100


class PhoneCapabilities:
    """Which phones can do what; one that nobody spoke of can do everything."""

    def __init__(self) -> None:
        self._capabilities: dict[str, Capability] = {}

    def set(self, phone_number: str, capability: Capability) -> None:
        """Let that phone be able to do everything, text only, or nothing."""
        self._capabilities[phone_number] = capability

    def of(self, phone_number: str) -> Capability:
        """Return the phone's capability."""
        return self._capabilities.get(phone_number, "full")


class CapabilityListRequest(RequestBody):
    """The body of a bulk query, of at most 100 numbers. Source: OpenAPI `RCSCapabilityListRequest`, knowledge base."""

    agent_id: str
    phone_numbers: list[PhoneNumber] = Field(min_length=1, max_length=_MOST_NUMBERS)


def retrieve_capabilities(account: "Account", call: OperationCall) -> Answer:
    """Say what one phone can do.

    Raises:
        ApiError: 404, there is no such agent; 400, the number is not E.164.
    """
    agent, number = known_agent(account, call.parameters["agent_id"]), call.parameters["phone_number"]
    if not is_e164(number):
        raise refusal(400, "10016", "Phone number must be in +E.164 format", "The phone number is not E.164.")
    return Answer({"data": _shown(account, agent, number)})


def list_bulk_capabilities(account: "Account", call: OperationCall) -> Answer:
    """Say what each of several phones can do.

    Raises:
        ApiError: 404, there is no such agent; 400, a field is missing or does not fit.
    """
    request = call.read(CapabilityListRequest)
    agent = known_agent(account, request.agent_id)
    return Answer({"data": [_shown(account, agent, number) for number in request.phone_numbers]})


def _shown(account: "Account", agent: RcsAgent, number: str) -> dict[str, Any]:
    features = FEATURES[account.capabilities.of(number)]
    return {
        "record_type": "rcs.capabilities",
        "agent_id": agent.agent_id,
        "agent_name": agent.agent_name,
        "phone_number": number,
        "features": features,
        "status": _NOT_CAPABLE if features is None else "Success",
    }
