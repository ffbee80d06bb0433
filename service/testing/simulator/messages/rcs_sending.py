"""`POST /messages/rcs`."""

import re
from typing import Any, Literal

from pydantic import Field

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import bad_request, refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import RequestBody, WebAddress
from service.testing.simulator.messages import admission, lifecycle
from service.testing.simulator.messages.message import Fallback, Message
from service.testing.simulator.messages.payload import ORGANIZATION_ID, recipient
from service.testing.simulator.rcs.agents import RcsAgent
from service.testing.simulator.simulated_clock import is_iso, iso

LONGEST_TEXT = 3072
_TTL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?s")
_CONTENTS = ("text", "rich_card", "content_info")


class SmsFallback(RequestBody):
    """The SMS that Telnyx sends instead. Source: OpenAPI `SMSFallback`."""

    sender: str = Field(alias="from")
    text: str = Field(max_length=LONGEST_TEXT)


class MmsFallback(RequestBody):
    """The MMS that Telnyx sends instead. Source: OpenAPI `MMSFallback`."""

    sender: str = Field(alias="from")
    text: str = ""
    subject: str | None = None
    media_urls: list[WebAddress] = Field(default_factory=list)


class RcsMessageRequest(RequestBody):
    """The body of an RCS send. Source: OpenAPI `RCSMessage`."""

    agent_id: str
    to: str
    messaging_profile_id: str
    agent_message: dict[str, Any]
    type: Literal["RCS"] = "RCS"
    webhook_url: WebAddress | None = None
    sms_fallback: SmsFallback | None = None
    mms_fallback: MmsFallback | None = None


def send_rcs(account: Account, call: OperationCall) -> Answer:
    """Accept an RCS message, and let it go its way.

    An agent that is not known is taken to be one of the account's. A phone without RCS gets the `sms_fallback` at
    once, and the answer then bears the type SMS.

    Raises:
        ApiError: 400, a field is missing or does not fit; 403, the profile or agent is disabled or the number opted
        out;
            429, too fast or the queue is full.
    """
    request = call.read(RcsMessageRequest)
    _check_content(request.agent_message)
    message = _message(account, request, _agent(account, request.agent_id))
    headers = admission.admit(account, message)
    accepted = lifecycle.begin(account, message)
    return Answer({"data": _accepted(accepted, request)}, headers=headers)


def _check_content(agent_message: dict[str, Any]) -> None:
    content = agent_message.get("content_message")
    _check_lifetime(agent_message)
    if content is None and not isinstance(agent_message.get("event"), dict):
        raise bad_request("An agent_message needs a content_message or an event.", "/agent_message")
    if content is None:
        return
    if not isinstance(content, dict) or sum(name in content for name in _CONTENTS) != 1:
        raise bad_request(f"A content_message needs one of {', '.join(_CONTENTS)}.", "/agent_message/content_message")
    text = content.get("text", "")
    if not isinstance(text, str):
        raise bad_request("A text must be a string.", "/agent_message/content_message/text")
    if len(text) > LONGEST_TEXT:
        raise refusal(400, "40302", "Message too large", f"A text has at most {LONGEST_TEXT} characters.")


def _check_lifetime(agent_message: dict[str, Any]) -> None:
    ttl, expire_time = agent_message.get("ttl"), agent_message.get("expire_time")
    if ttl is not None and not (isinstance(ttl, str) and _TTL.fullmatch(ttl)):
        raise bad_request("A ttl is a number of seconds that ends with an s, such as 10.5s.", "/agent_message/ttl")
    if expire_time is not None and not is_iso(expire_time):
        raise bad_request("An expire_time must be an ISO 8601 date.", "/agent_message/expire_time")


def _agent(account: Account, agent_id: str) -> RcsAgent:
    agent = account.agents.find(agent_id)
    if agent is None:
        agent = RcsAgent(agent_id, agent_id, account.clock.iso(), account.clock.iso())
        account.agents.put(agent)
    if not agent.enabled:
        raise refusal(403, "10010", "Authorization failed", "The RCS agent is disabled.", "/agent_id")
    return agent


def _message(account: Account, request: RcsMessageRequest, agent: RcsAgent) -> Message:
    return Message(
        id=account.identifiers.uuid("message"),
        type="RCS",
        sender=agent.agent_id,
        agent_name=agent.agent_name,
        to=request.to,
        received_at=account.clock.now(),
        messaging_profile_id=request.messaging_profile_id,
        content=request.agent_message,
        encoding="utf-8",
        fallback=_fallback(request),
        webhook_url=request.webhook_url,
    )


def _fallback(request: RcsMessageRequest) -> Fallback | None:
    sms, mms = request.sms_fallback, request.mms_fallback
    if sms is not None:
        return Fallback(type="SMS", sender=sms.sender, text=sms.text)
    if mms is not None:
        return Fallback(
            type="MMS", sender=mms.sender, text=mms.text, subject=mms.subject, media_urls=tuple(mms.media_urls)
        )
    return None


def _accepted(message: Message, request: RcsMessageRequest) -> dict[str, Any]:
    agent_name = message.agent_name or request.agent_id
    return {
        "record_type": "message",
        "direction": "outbound",
        "id": message.id,
        "type": message.type,
        "organization_id": ORGANIZATION_ID,
        "messaging_profile_id": message.messaging_profile_id,
        "from": {"agent_id": request.agent_id, "agent_name": agent_name, "carrier": "Telnyx"},
        "to": [recipient(message)],
        "body": request.agent_message,
        "encoding": message.encoding,
        "received_at": iso(message.received_at),
        "wait_seconds": message.wait_seconds,
    }
