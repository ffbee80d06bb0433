"""`POST /ai/assistants/{id}/chat/sms` and `…/chat/whatsapp`: an assistant's first message to somebody.

No assistant thinks here: the given text goes out unchanged.
"""

from pydantic import Field

from service.testing.simulator.account import Account
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import PhoneNumber, RequestBody
from service.testing.simulator.messages import admission, lifecycle
from service.testing.simulator.messages.message import Message, MessageType


class AssistantSms(RequestBody):
    """The body of an SMS. Source: SDK 4.189, `AssistantSendSMSParams`."""

    sender: PhoneNumber = Field(alias="from")
    to: str
    text: str = "Hello"


class AssistantWhatsapp(RequestBody):
    """The body of a WhatsApp message. Source: SDK 4.189, `AssistantWhatsappParams`."""

    sender: PhoneNumber = Field(alias="from")
    to: str
    content: str


def send_sms(account: Account, call: OperationCall) -> Answer:
    """Let an assistant begin a conversation by SMS.

    Raises:
        ApiError: 400, a field is missing or does not fit; 403, the number opted out; 429, too fast.
    """
    request = call.read(AssistantSms)
    _begin(account, request, "SMS", request.text)
    return Answer({"conversation_id": account.identifiers.uuid("conversation")})


def send_whatsapp(account: Account, call: OperationCall) -> Answer:
    """Let an assistant begin a conversation by WhatsApp, with a template: no window has to be open.

    Raises:
        ApiError: as `send_sms`.
    """
    request = call.read(AssistantWhatsapp)
    message_id = _begin(account, request, "WHATSAPP", request.content)
    return Answer({"conversation_id": account.identifiers.uuid("conversation"), "message_id": message_id})


def _begin(account: Account, request: AssistantSms | AssistantWhatsapp, kind: MessageType, text: str) -> str:
    message = Message(
        id=account.identifiers.uuid("message"),
        type=kind,
        sender=request.sender,
        to=request.to,
        received_at=account.clock.now(),
        messaging_profile_id=account.profiles.of_number(request.sender),
        text=text,
        content={"type": "template", "template": {"name": "assistant"}} if kind == "WHATSAPP" else {},
    )
    admission.admit(account, message)
    return lifecycle.begin(account, message).id
