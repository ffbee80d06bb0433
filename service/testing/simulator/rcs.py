"""RCS: agents, capabilities of phones, deeplinks and test numbers. Registration has its own package."""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode

from pydantic import Field

from service.testing.simulator.api.api_error import refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import PhoneNumber, RequestBody, WebAddress, is_e164
from service.testing.simulator.api.lists import page
from service.testing.simulator.rcs_registration.reviews import known_agent
from service.testing.simulator.webhooks.deliveries import USER_ID, WebhookTarget

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

Capability = Literal["full", "text", "none"]

_EVERYTHING = """
ACTION_CREATE_CALENDAR_EVENT ACTION_DIAL ACTION_OPEN_URL ACTION_OPEN_URL_IN_WEBVIEW ACTION_SHARE_LOCATION
ACTION_VIEW_LOCATION RICHCARD_CAROUSEL RICHCARD_STANDALONE
"""
FEATURES: dict[Capability, list[str] | None] = {
    "full": _EVERYTHING.split(),
    "text": ["GENERIC_RCS_FEATURE"],
    "none": None,
}
"""Source: knowledge base, RCS capabilities and deeplinks. The OpenAPI document does not let `features` be null."""

_NOT_CAPABLE = "RCS is disabled or agent is not provisioned for the carrier"
_MOST_NUMBERS = 100


@dataclass(frozen=True, slots=True)
class RcsAgent:
    """One agent. Inbound RCS messages go to its own webhook URLs. Source: OpenAPI `RCSAgent`."""

    agent_id: str
    agent_name: str
    created_at: str
    updated_at: str
    profile_id: str | None = None
    webhook_url: str | None = None
    webhook_failover_url: str | None = None
    enabled: bool = True
    user_id: str = USER_ID

    @property
    def destination(self) -> WebhookTarget:
        """The URLs that its inbound messages go to."""
        return WebhookTarget(self.webhook_url, self.webhook_failover_url)


class RcsAgentUpdate(RequestBody):
    """The fields that PATCH changes, as far as given. Null clears one. Source: OpenAPI `RCSAgentUpdate`."""

    profile_id: str | None = None
    webhook_url: WebAddress | None = None
    webhook_failover_url: WebAddress | None = None


class CapabilityListRequest(RequestBody):
    """The body of a bulk query, of at most 100 numbers. Source: OpenAPI `RCSCapabilityListRequest`, knowledge base."""

    agent_id: str
    phone_numbers: list[PhoneNumber] = Field(min_length=1, max_length=_MOST_NUMBERS)


class PhoneCapabilities:
    """The capabilities of phones: everything, unless a test says otherwise."""

    def __init__(self) -> None:
        self._capabilities: dict[str, Capability] = {}

    def set(self, phone_number: str, capability: Capability) -> None:
        """Let that phone be able to do everything, text only, or nothing."""
        self._capabilities[phone_number] = capability

    def of(self, phone_number: str) -> Capability:
        """Return the phone's capability."""
        return self._capabilities.get(phone_number, "full")


def list_agents(account: "Account", call: OperationCall) -> Answer:
    """List the agents."""
    return page(call, map(asdict, account.agents))


def retrieve_agent(account: "Account", call: OperationCall) -> Answer:
    """Show one agent."""
    return Answer({"data": asdict(account.agents.known(call.parameters["id"]))})


def update_agent(account: "Account", call: OperationCall) -> Answer:
    """Change the profile and the webhook URLs, as far as they are given."""
    agent = account.agents.known(call.parameters["id"])
    changes = call.read(RcsAgentUpdate).model_dump(exclude_unset=True)
    changed = replace(agent, **changes, updated_at=account.clock.iso())
    account.agents.put(changed)
    return Answer({"data": asdict(changed)})


def retrieve_capabilities(account: "Account", call: OperationCall) -> Answer:
    """Show the capabilities of one phone."""
    agent, number = account.agents.known(call.parameters["agent_id"]), _number(call.parameters["phone_number"])
    return Answer({"data": _capabilities(account, agent, number)})


def list_bulk_capabilities(account: "Account", call: OperationCall) -> Answer:
    """List the capabilities of several phones."""
    request = call.read(CapabilityListRequest)
    agent = account.agents.known(request.agent_id)
    return Answer({"data": [_capabilities(account, agent, number) for number in request.phone_numbers]})


def generate_deeplink(account: "Account", call: OperationCall) -> Answer:
    """Make the link. For a phone without RCS it falls back to `phone_number`. Source: OpenAPI `RCSDeeplinkResponse`."""
    agent = account.agents.known(call.parameters["agent_id"])
    number = _number(call.query["phone_number"]) if call.query.get("phone_number") else ""
    parameters = {"service_id": f"{agent.agent_id}@rbm.goog"} | {k: v for k, v in call.query.items() if k == "body"}
    return Answer({"data": {"url": f"sms:{number}?{urlencode(parameters, quote_via=quote)}"}})


def invite_test_number(account: "Account", call: OperationCall) -> Answer:
    """Invite a phone to try an agent. Repeating it changes nothing. Source: OpenAPI `RCSTestNumberInviteResponse`."""
    agent, number = account.agents.known(call.parameters["id"]), _number(call.parameters["phone_number"])
    account.invitations.add((agent.agent_id, number))
    shown = {"record_type": "rcs.test_number_invite", "status": "PENDING"}
    return Answer({"data": {"agent_id": agent.agent_id, "phone_number": number, **shown}})


def _number(text: str) -> str:
    if not is_e164(text):
        raise refusal(400, "10016", "Phone number must be in +E.164 format", "The phone number is not E.164.")
    return text


def features_of(account: "Account", agent_id: str, number: str) -> list[str] | None:
    """Return what an agent can send to a phone, or None where it cannot reach it.

    An agent under registration reaches its test numbers, and the phones of carriers that have approved it.
    """
    registered = account.rcs_agents.find(agent_id) and known_agent(account, agent_id)
    reached = registered is None or registered.reaches(number, account.carriers.of(number))
    return FEATURES[account.capabilities.of(number)] if reached else None


def _capabilities(account: "Account", agent: RcsAgent, number: str) -> dict[str, Any]:
    features = features_of(account, agent.agent_id, number)
    named = {"agent_id": agent.agent_id, "agent_name": agent.agent_name, "phone_number": number}
    status = _NOT_CAPABLE if features is None else "Success"
    return {"record_type": "rcs.capabilities", **named, "features": features, "status": status}
