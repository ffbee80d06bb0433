"""`POST /messages/rcs` and `POST /messages/whatsapp`: sends whose content is an object."""

import re
from typing import Any, ClassVar, Literal

from pydantic import Field

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import bad_request, missing_parameter, refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import PhoneNumber, RequestBody, WebAddress
from service.testing.simulator.messages.lifecycle import begin
from service.testing.simulator.messages.message import Message, MessageType, NativeFallback
from service.testing.simulator.messages.payload import accepted_payload
from service.testing.simulator.messages.sending import admit
from service.testing.simulator.rcs import RcsAgent
from service.testing.simulator.simulated_clock import is_iso, iso

LONGEST_RCS_TEXT = 3072
LONGEST_WHATSAPP_TEXT = 4096
"""Characters of a text. Source: Meta's page on text messages."""
WINDOW = 24 * 3600
"""Simulated seconds after an inbound message for which a text may answer. Source: SDK 4.189, `WhatsappMessageText`."""
_TTL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?s")
_RCS_CONTENTS = ("text", "rich_card", "content_info")
_WHATSAPP_TYPES = "audio contacts document image interactive location reaction sticker template text video"
_WHATSAPP_CONTENTS = tuple(_WHATSAPP_TYPES.split())


class SmsFallback(NativeFallback):
    """The SMS that Telnyx sends instead."""

    type: ClassVar[MessageType] = "SMS"
    text: str = Field(max_length=LONGEST_RCS_TEXT)


class RcsMessageRequest(RequestBody):
    """The body of an RCS send. Source: OpenAPI `RCSMessage`."""

    agent_id: str
    to: str
    messaging_profile_id: str
    agent_message: dict[str, Any]
    type: Literal["RCS"] = "RCS"
    webhook_url: WebAddress | None = None
    sms_fallback: SmsFallback | None = None
    mms_fallback: NativeFallback | None = None


class WhatsappRequest(RequestBody):
    """The body of a WhatsApp send. Source: SDK 4.189, `MessageWhatsappParams`."""

    sender: PhoneNumber = Field(alias="from")
    to: str
    whatsapp_message: dict[str, Any]
    messaging_profile_id: str | None = None
    type: Literal["WHATSAPP"] = "WHATSAPP"
    webhook_url: WebAddress | None = None


def send_rcs(account: Account, call: OperationCall) -> Answer:
    """Accept an RCS message, and send it in the background.

    An unknown agent is added to the account's. A phone without RCS gets the `sms_fallback` at once, and the answer then
    bears the type SMS.
    """
    request = call.read(RcsMessageRequest)
    _check_lifetime(request.agent_message)
    _check_rcs_content(request.agent_message)
    agent = _agent(account, request.agent_id)
    message = Message(
        id=account.identifiers.uuid("message"),
        type="RCS",
        sender=agent.agent_id,
        agent_name=agent.agent_name,
        to=request.to,
        received_at=account.clock.now(),
        messaging_profile_id=request.messaging_profile_id,
        content=request.agent_message,
        fallback=request.sms_fallback or request.mms_fallback,
        webhook_url=request.webhook_url,
    )
    headers = admit(account, message)
    sender = {"agent_id": agent.agent_id, "agent_name": agent.agent_name}
    return Answer({"data": accepted_payload(begin(account, message), sender, request.agent_message)}, headers=headers)


def send_whatsapp(account: Account, call: OperationCall) -> Answer:
    """Accept a WhatsApp message, and send it in the background. Outside the window of 24 hours, only a template."""
    request = call.read(WhatsappRequest)
    _check_whatsapp_content(request.whatsapp_message)
    message = Message(
        id=account.identifiers.uuid("message"),
        type="WHATSAPP",
        sender=request.sender,
        to=request.to,
        received_at=account.clock.now(),
        messaging_profile_id=request.messaging_profile_id or account.profiles.of_number(request.sender),
        content=request.whatsapp_message,
        webhook_url=request.webhook_url,
    )
    headers = admit(account, message)
    _check_window(account, message)
    sender = {"phone_number": message.sender, "line_type": "Wireless"}
    return Answer({"data": accepted_payload(begin(account, message), sender, message.content)}, headers=headers)


def retrieve_window(account: Account, call: OperationCall) -> Answer:
    """Show whether a recipient may be sent more than templates. Source: SDK 4.189, `whatsapp.phone_numbers`."""
    ours, theirs = call.parameters["phone_number"], call.query.get("destination_number")
    if theirs is None:
        raise missing_parameter("/destination_number")
    now = account.clock.now()
    asked = Message(id="", type="WHATSAPP", sender=ours, to=theirs, received_at=now)
    opened = max((each.received_at for each in account.messages if _opens_window(each, asked)), default=None)
    if opened is None:
        return Answer({"data": {"window_active": False, "window_expires_at": None, "last_user_message_at": None}})
    times = {"last_user_message_at": iso(opened), "window_expires_at": iso(opened + WINDOW)}
    return Answer({"data": {"window_active": True, "window_type": "24h", **times}})


def _check_lifetime(agent_message: dict[str, Any]) -> None:
    ttl, expire_time = agent_message.get("ttl"), agent_message.get("expire_time")
    if ttl is not None and not (isinstance(ttl, str) and _TTL.fullmatch(ttl)):
        raise bad_request("A ttl is a number of seconds that ends with an s, such as 10.5s.", "/agent_message/ttl")
    if expire_time is not None and not is_iso(expire_time):
        raise bad_request("An expire_time must be an ISO 8601 date.", "/agent_message/expire_time")


def _check_rcs_content(agent_message: dict[str, Any]) -> None:
    content = agent_message.get("content_message")
    if content is None and isinstance(agent_message.get("event"), dict):
        return
    if content is None:
        raise bad_request("An agent_message needs a content_message or an event.", "/agent_message")
    if not isinstance(content, dict) or sum(name in content for name in _RCS_CONTENTS) != 1:
        detail = f"A content_message needs one of {', '.join(_RCS_CONTENTS)}."
        raise bad_request(detail, "/agent_message/content_message")
    text = content.get("text", "")
    if not isinstance(text, str):
        raise bad_request("A text must be a string.", "/agent_message/content_message/text")
    _check_length(text, LONGEST_RCS_TEXT)


def _check_whatsapp_content(content: dict[str, Any]) -> None:
    kind = content.get("type") or next((name for name in _WHATSAPP_CONTENTS if name in content), None)
    if kind is None:
        raise missing_parameter("/whatsapp_message/type")
    if kind not in _WHATSAPP_CONTENTS:
        raise bad_request(f"A type is one of {', '.join(_WHATSAPP_CONTENTS)}.", "/whatsapp_message/type")
    if not content.get(kind):
        raise missing_parameter(f"/whatsapp_message/{kind}")
    if kind == "text":
        body = content[kind].get("body") if isinstance(content[kind], dict) else None
        if not isinstance(body, str) or not body:
            raise missing_parameter("/whatsapp_message/text/body")
        _check_length(body, LONGEST_WHATSAPP_TEXT)


def _check_length(text: str, longest: int) -> None:
    if len(text) > longest:
        raise refusal(400, "40302", "Message too large", f"A text has at most {longest} characters.")


def _check_window(account: Account, message: Message) -> None:
    if "template" in message.content or any(_opens_window(each, message) for each in account.messages):
        return
    detail = "131047: Only templates can be sent outside of the 24 hours after the recipient's last message."
    raise refusal(400, "41000", "WhatsApp error", detail, "/whatsapp_message")


def _opens_window(inbound: Message, message: Message) -> bool:
    return (
        (inbound.type, inbound.direction, inbound.to) == ("WHATSAPP", "inbound", message.sender)
        and message.to in (inbound.sender, inbound.user_id)
        and message.received_at - inbound.received_at <= WINDOW
    )


def _agent(account: Account, agent_id: str) -> RcsAgent:
    agent = account.agents.find(agent_id)
    if agent is None:
        agent = RcsAgent(agent_id, agent_id, account.clock.iso(), account.clock.iso())
        account.agents.put(agent)
    if not agent.enabled:
        raise refusal(403, "10010", "Authorization failed", "The RCS agent is disabled.", "/agent_id")
    return agent
