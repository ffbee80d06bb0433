"""Sends by the kind of the sender, and group MMS. Source: SDK 4.189, `client.messages`.

It is a guess how a group shows in webhooks. Here each recipient has a message of its own.
"""

from typing import Annotated

from pydantic import Field

from service.testing.simulator.account import Account
from service.testing.simulator.api import fields
from service.testing.simulator.api.api_error import missing_parameter
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.messages.lifecycle import begin
from service.testing.simulator.messages.message import Message
from service.testing.simulator.messages.payload import payload
from service.testing.simulator.messages.sending import CreateMessageRequest, accept, admit
from service.testing.simulator.resources import existing

MOST_IN_GROUP = 8
"""Source: SDK 4.189, `MessageSendGroupMmsParams`."""

Alphanumeric = Annotated[str, fields.must(fields.is_alphanumeric, "must be an alphanumeric sender ID")]
ShortCode = Annotated[
    str,
    fields.must(
        lambda text: fields.is_sender(text) and not fields.is_alphanumeric(text), "must be a short code or number"
    ),
]


class LongCodeRequest(CreateMessageRequest):
    """The body of a send by a number."""

    sender: fields.PhoneNumber = Field(alias="from")


class ShortCodeRequest(CreateMessageRequest):
    """The body of a send by a short code. The SDK's description asks for a number."""

    sender: ShortCode = Field(alias="from")


class NumberPoolRequest(CreateMessageRequest):
    """The body of a send by whichever number of a profile."""

    messaging_profile_id: str
    sender: None = Field(None, alias="from")


class AlphanumericRequest(CreateMessageRequest):
    """The body of a send by a name, which takes SMS alone."""

    sender: Alphanumeric = Field(alias="from")
    messaging_profile_id: str
    text: str = Field(min_length=1)


class GroupMmsRequest(fields.RequestBody):
    """The body of a group MMS."""

    sender: fields.PhoneNumber = Field(alias="from")
    to: list[fields.PhoneNumber] = Field(min_length=1, max_length=MOST_IN_GROUP)
    text: str = ""
    subject: str | None = None
    media_urls: list[fields.WebAddress] = Field(default_factory=list)
    webhook_url: fields.WebAddress | None = None
    webhook_failover_url: fields.WebAddress | None = None
    use_profile_webhooks: bool = True


def send_long_code(account: Account, call: OperationCall) -> Answer:
    """Send from a number."""
    return accept(account, call.read(LongCodeRequest))


def send_short_code(account: Account, call: OperationCall) -> Answer:
    """Send from a short code."""
    return accept(account, call.read(ShortCodeRequest))


def send_number_pool(account: Account, call: OperationCall) -> Answer:
    """Send from a number of the profile's pool."""
    return accept(account, call.read(NumberPoolRequest))


def send_alphanumeric(account: Account, call: OperationCall) -> Answer:
    """Send from a name."""
    return accept(account, call.read(AlphanumericRequest))


def send_group_mms(account: Account, call: OperationCall) -> Answer:
    """Send an MMS to each recipient. The answer has the id of the group and all recipients."""
    request = call.read(GroupMmsRequest)
    if not request.text and not request.media_urls:
        raise missing_parameter("/text")
    group_id = account.identifiers.uuid("group message")
    parts = [_part(account, request, to, group_id) for to in request.to]
    headers = [admit(account, each) for each in parts]
    begun = [payload(begin(account, each)) for each in parts]
    shown = {**begun[0], "id": group_id, "to": [to for each in begun for to in each["to"]]}
    return Answer({"data": shown}, headers=headers[-1])


def list_group(account: Account, call: OperationCall) -> Answer:
    """List the messages of a group MMS."""
    wanted = call.parameters["message_id"]
    found = [payload(each) for each in account.messages if each.group_id == wanted]
    return Answer({"data": existing(found or None)})


def _part(account: Account, request: GroupMmsRequest, to: str, group_id: str) -> Message:
    return Message(
        id=account.identifiers.uuid("message"),
        type="MMS",
        sender=request.sender,
        to=to,
        received_at=account.clock.now(),
        messaging_profile_id=account.profiles.of_number(request.sender),
        text=request.text,
        subject=request.subject,
        media_urls=tuple(request.media_urls),
        webhook_url=request.webhook_url,
        webhook_failover_url=request.webhook_failover_url,
        use_profile_webhooks=request.use_profile_webhooks,
        group_id=group_id,
    )
