"""`PUT /messaging/rcs/test_number_invite/{id}/{phone_number}`: invite a phone to try an agent."""

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.phone_numbers import is_e164
from service.testing.simulator.rcs.agents import known_agent


def invite_test_number(account: Account, call: OperationCall) -> Answer:
    """Invite the phone; a repeated invitation changes nothing. Source: OpenAPI `RCSTestNumberInviteResponse`.

    Raises:
        ApiError: 404, there is no such agent; 400, the number is not E.164.
    """
    agent, number = known_agent(account, call.parameters["id"]), call.parameters["phone_number"]
    if not is_e164(number):
        raise refusal(400, "10016", "Phone number must be in +E.164 format", "The phone number is not E.164.")
    account.invitations.add((agent.agent_id, number))
    data = {
        "record_type": "rcs.test_number_invite",
        "agent_id": agent.agent_id,
        "phone_number": number,
        "status": "PENDING",
    }
    return Answer({"data": data})
