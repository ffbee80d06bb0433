"""The operations on RCS agents under registration. Source: SDK 4.189, `client.rcs.agents`.

An agent sends, and can be asked about phones, from its submission on. That its id is the same there is a guess.
"""

import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from telnyx.types.rcs.agent_create_params import AgentCreateParams
from telnyx.types.rcs.agent_launch_params import AgentLaunchParams
from telnyx.types.rcs.agent_update_params import AgentUpdateParams

from service.testing.simulator.api.api_error import bad_request, missing_header, missing_parameter
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import PhoneNumber, RequestBody
from service.testing.simulator.rcs import RcsAgent
from service.testing.simulator.rcs_registration import reviews
from service.testing.simulator.rcs_registration.agents import CARRIERS, CarrierApproval, RegisteredAgent, TestDevice
from service.testing.simulator.rcs_registration.brands import known_brand, locked, require_draft
from service.testing.simulator.resources import existing

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

CREATE: TypeAdapter[Any] = TypeAdapter(AgentCreateParams)
UPDATE: TypeAdapter[Any] = TypeAdapter(AgentUpdateParams)
LAUNCH: TypeAdapter[Any] = TypeAdapter(AgentLaunchParams)
_CONTACTS = ("phone_number", "website", "email")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")


class TestDeviceBody(RequestBody):
    """The body of an invitation. Source: SDK 4.189, `rcs.agents.TestDeviceCreateParams`."""

    __test__ = False

    phone_number: PhoneNumber


def list_agents(account: "Account", call: OperationCall) -> Answer:
    """List all agents, or those of one brand, without pages."""
    wanted = call.query.get("brand_id")
    agents = (reviews.current(account, each) for each in account.rcs_agents)
    return Answer([each.as_json() for each in agents if wanted in (None, each.fields["brand_id"])])


def create_agent(account: "Account", call: OperationCall) -> Answer:
    """Create a draft under a brand, in whatever status that is."""
    if call.idempotency_key is None:
        raise missing_header("Idempotency-Key")
    fields = call.read_as(CREATE, idempotency_key=call.idempotency_key)
    _check_basics(fields)
    brand = known_brand(account, fields["brand_id"])
    inherited = {"profile_id": brand.fields.get("profile_id")}
    given = {name: value for name, value in fields.items() if value is not None}
    agent = RegisteredAgent(account.identifiers.uuid("rcs agent"), inherited | given)
    account.rcs_agents.put(agent)
    return Answer(agent.as_json(), status=201)


def retrieve_agent(account: "Account", call: OperationCall) -> Answer:
    """Show one agent with its sections, test devices and the carriers' answers."""
    return Answer(_known(account, call).as_json())


def update_agent(account: "Account", call: OperationCall) -> Answer:
    """Change the given fields of a draft."""
    agent, fields = _known(account, call), call.read_as(UPDATE)
    _check_basics(fields)
    require_draft("agent", agent.status)
    changed = replace(agent, fields=agent.fields | fields)
    account.rcs_agents.put(changed)
    return Answer(changed.as_json())


def submit_agent(account: "Account", call: OperationCall) -> Answer:
    """Begin the review of the basics. One that is under review already is shown unchanged."""
    agent = _known(account, call)
    brand = known_brand(account, agent.fields["brand_id"])
    if brand.status != "VERIFIED":
        raise locked(f"The brand is {brand.status}. It must be VERIFIED.")
    if agent.status in {"REJECTED", "FAILED"}:
        raise locked(f"The agent is {agent.status}.")
    if agent.status == "CREATED":
        begun = replace(agent, status="SUBMITTED", sections={"basics": "SUBMITTED"})
        agent = reviews.planning(begun, account.clock.now(), *reviews.review_of_basics())
        account.rcs_agents.put(agent)
        now, name = account.clock.iso(), agent.fields["display_name"]
        account.agents.put(RcsAgent(agent.id, name, now, now, profile_id=agent.fields["profile_id"]))
    return Answer(agent.as_json(), status=202)


def launch_agent(account: "Account", call: OperationCall) -> Answer:
    """Begin the carriers' review. One that is launching already is shown unchanged."""
    agent, fields = _known(account, call), call.read_as(LAUNCH)
    if agent.status in {"CREATED", "REJECTED", "FAILED"}:
        raise locked(f"The agent is {agent.status}. Its basics must be submitted.")
    if not agent.approvals:
        uuid = account.identifiers.uuid
        launching = replace(
            agent,
            status="LAUNCHING",
            fields=agent.fields | {"configuration": agent.fields["configuration"] | fields},
            sections={**agent.sections, "campaign": "SUBMITTED", "testing": "SUBMITTED"},
            approvals=tuple(CarrierApproval(uuid("rcs approval"), each) for each in CARRIERS),
            # Reviews of the basics that were still to come no longer matter.
            planned=(),
        )
        agent = reviews.planning(launching, account.clock.now(), *reviews.review_of_launch())
        account.rcs_agents.put(agent)
    return Answer(agent.as_json(), status=202)


def list_approvals(account: "Account", call: OperationCall) -> Answer:
    """List the carriers' answers."""
    return Answer([asdict(each) for each in _known(account, call).approvals])


def list_devices(account: "Account", call: OperationCall) -> Answer:
    """List the test numbers."""
    return Answer([asdict(each) for each in _known(account, call).test_devices])


def add_device(account: "Account", call: OperationCall) -> Answer:
    """Invite a test number. One that is there already is shown unchanged."""
    agent, number = _known(account, call), call.read(TestDeviceBody).phone_number
    if agent.status == "CREATED":
        raise locked("The agent is CREATED. Test numbers follow its submission.")
    device = next((each for each in agent.test_devices if each.phone_number == number), None)
    if device is None:
        device = TestDevice(account.identifiers.uuid("rcs test device"), number)
        account.rcs_agents.put(replace(agent, test_devices=(*agent.test_devices, device)))
    return Answer(asdict(device), status=201)


def remove_device(account: "Account", call: OperationCall) -> Answer:
    """Remove a test number."""
    agent, wanted = _known(account, call), call.parameters["test_device_id"]
    existing(next((each for each in agent.test_devices if each.test_device_id == wanted), None))
    left = tuple(each for each in agent.test_devices if each.test_device_id != wanted)
    account.rcs_agents.put(replace(agent, test_devices=left))
    return Answer(None, status=204)


def _known(account: "Account", call: OperationCall) -> RegisteredAgent:
    return reviews.known_agent(account, call.parameters["id"])


def _check_basics(fields: dict[str, Any]) -> None:
    if "configuration" not in fields:
        return
    basics = fields["configuration"]["basics"]
    if not any(basics.get(each) for each in _CONTACTS):
        raise missing_parameter("/configuration/basics/email")
    if not _COLOUR.fullmatch(basics.get("brand_color", "#000000")):
        raise bad_request("The brand_color must be #RRGGBB.", "/configuration/basics/brand_color")
