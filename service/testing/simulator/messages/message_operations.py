"""`GET /messages/{id}` and `DELETE /messages/{id}`."""

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import not_found, refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.messages.message import Message
from service.testing.simulator.messages.payload import outbound_payload, payload

RETRIEVABLE_FOR = 10 * 86400
"""Simulated seconds for which a message can be retrieved. Source: OpenAPI `GetMessage`."""

CANCELLABLE_UNTIL = 60
"""Seconds before `send_at` up to which a scheduled message can be cancelled. Source: OpenAPI `CancelMessage`."""


def retrieve(account: Account, call: OperationCall) -> Answer:
    """Show a message that is at most ten days old.

    Raises:
        ApiError: 404, there is no such message.
    """
    return Answer({"data": payload(_known(account, call))})


def cancel(account: Account, call: OperationCall) -> Answer:
    """Cancel a scheduled message; the answer is the message itself, without `data`.

    Raises:
        ApiError: 404, there is no such message; 403, it is not scheduled or goes out within a minute.
    """
    message = _known(account, call)
    if message.status != "scheduled" or (message.send_at or 0) - account.clock.now() <= CANCELLABLE_UNTIL:
        detail = "Only messages that are scheduled for more than a minute from now can be cancelled."
        raise refusal(403, "10010", "Authorization failed", detail)
    return Answer(outbound_payload(account.messages.change(message.id, status="cancelled")))


def _known(account: Account, call: OperationCall) -> Message:
    message = account.messages.find(call.parameters["id"])
    if message is None or account.clock.now() - message.received_at > RETRIEVABLE_FOR:
        raise not_found()
    return message
