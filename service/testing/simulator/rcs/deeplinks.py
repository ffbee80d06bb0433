"""`GET /messages/rcs/deeplinks/{agent_id}`: a link that opens a conversation with an agent."""

from urllib.parse import quote, urlencode

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.phone_numbers import is_e164
from service.testing.simulator.rcs.agents import known_agent


def generate_deeplink(account: Account, call: OperationCall) -> Answer:
    """Make the link; for a phone without RCS it falls back to `phone_number`. Source: OpenAPI `RCSDeeplinkResponse`.

    Raises:
        ApiError: 404, there is no such agent; 400, the number is not E.164.
    """
    agent = known_agent(account, call.parameters["agent_id"])
    number = call.query.get("phone_number", "")
    if number and not is_e164(number):
        raise refusal(400, "10016", "Phone number must be in +E.164 format", "The phone number is not E.164.")
    parameters = {"service_id": f"{agent.agent_id}@rbm.goog"} | {k: v for k, v in call.query.items() if k == "body"}
    return Answer({"data": {"url": f"sms:{number}?{urlencode(parameters, quote_via=quote)}"}})
