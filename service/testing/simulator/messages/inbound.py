"""Inbound messages: stored, checked for STOP and START, and sent on as webhooks. Also their opt-outs.

Source: Telnyx's pages on opt-in and opt-out: the block holds for one messaging profile, and START lifts it.
"""

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from service.testing.simulator.api.api_error import refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import ControlBody
from service.testing.simulator.api.lists import equals, page, time_filter
from service.testing.simulator.messages.message import Message, MessageType
from service.testing.simulator.messages.payload import payload
from service.testing.simulator.resources import Resources
from service.testing.simulator.simulated_clock import iso
from service.testing.simulator.webhooks.deliveries import WebhookTarget, new_event

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

_KEYWORDS = {
    "STOP": {"STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"},
    "START": {"START", "UNSTOP"},
    "HELP": {"HELP", "INFO"},
}
"""The words that Telnyx itself answers. On purpose not Ringback's own list: that has more words and spellings.

Source: Telnyx's page on advanced opt-in and opt-out.
"""


class InboundMessage(ControlBody):
    """A message to the account: `to` is a number, or for RCS the id of an agent.

    An RCS message may carry a `body` other than a text: `user_file`, `location` or `suggestion_response`. For WhatsApp
    `body` adds fields such as an `edit`, and `user_id` names the user. An empty `sender` hides the number.
    """

    sender: str
    to: str
    text: str = ""
    type: MessageType = "SMS"
    media_urls: list[str] = Field(default_factory=list)
    body: dict[str, Any] | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReceivedOptOut:
    """One block: `to` opted out of messages from `sender`. Source: the SDK's `MessagingOptoutListResponse`."""

    sender: str
    to: str
    keyword: str
    messaging_profile_id: str
    created_at: float

    def as_json(self) -> dict[str, Any]:
        """Return the row as Telnyx shows it."""
        parties = {"from": self.sender, "to": self.to, "messaging_profile_id": self.messaging_profile_id}
        return {**parties, "keyword": self.keyword, "created_at": iso(self.created_at)}


class OptOuts(Resources[ReceivedOptOut]):
    """The blocks in force, by messaging profile and number."""

    def __init__(self) -> None:
        super().__init__(lambda opt_out: (opt_out.messaging_profile_id, opt_out.to))

    def lift(self, profile_id: str, number: str) -> None:
        """Let that profile write to that number again."""
        self.remove((profile_id, number))

    def check(self, profile_id: str, number: str) -> None:
        """Let a message pass.

        Raises:
            ApiError: code 40300, the number said STOP to this profile. The HTTP status is 403 here. Reports of it
                differ (400, 403, 409).
        """
        if self.find((profile_id, number)) is not None:
            detail = "Messages cannot be sent to this number due to an existing block rule."
            raise refusal(403, "40300", "Blocked due to STOP message", detail, "/to")


def list_opt_outs(account: "Account", call: OperationCall) -> Answer:
    """List the blocks that fit the filters."""
    in_time = time_filter(call, "created_at[gte]", "created_at[lte]")
    rows = [opt_out.as_json() for opt_out in account.opt_outs if in_time(opt_out.created_at)]
    names = ("messaging_profile_id", "from")
    return page(call, [row for row in rows if equals(call, **{name: row[name] for name in names})])


def receive(account: "Account", inbound: InboundMessage) -> Message:
    """Take in a message, and send `message.received` in the background."""
    message = _message(account, inbound)
    account.messages.put(message)
    _obey_keyword(account, message)
    event = new_event(account.clock, account.identifiers, "message.received", payload(message))
    account.courier.send(event, WebhookTarget(message.webhook_url, message.webhook_failover_url))
    return message


def autoresponse_type(text: str) -> str | None:
    """Return `STOP`, `START` or `HELP` if the whole text is such a keyword, which Telnyx then answers itself."""
    said = text.strip().upper()
    return next((kind for kind, words in _KEYWORDS.items() if said in words), None)


def _message(account: "Account", inbound: InboundMessage) -> Message:
    agent = account.agents.find(inbound.to) if inbound.type == "RCS" else None
    profile_id = (agent.profile_id if agent else None) or account.profiles.of_number(inbound.to)
    destination = agent.destination if agent else account.profiles.destination(profile_id)
    said = str((inbound.body or {}).get("text", inbound.text))
    return Message(
        id=account.identifiers.uuid("message"),
        direction="inbound",
        status="received",
        type=inbound.type,
        sender=inbound.sender,
        to=inbound.to,
        agent_name=agent.agent_name if agent else None,
        received_at=account.clock.now(),
        messaging_profile_id=profile_id,
        text=inbound.text,
        media_urls=tuple(inbound.media_urls),
        content=_content(account, inbound),
        user_id=inbound.user_id,
        webhook_url=destination.url,
        webhook_failover_url=destination.failover_url,
        autoresponse_type=None if inbound.type == "WHATSAPP" else autoresponse_type(said),
    )


def _content(account: "Account", inbound: InboundMessage) -> dict[str, Any]:
    if inbound.type == "WHATSAPP":
        return _whatsapp_body(account, inbound) | (inbound.body or {})
    return inbound.body or {"text": inbound.text}


def _whatsapp_body(account: "Account", inbound: InboundMessage) -> dict[str, Any]:
    """Return the `body` of an inbound WhatsApp message. Source: SDK 4.189, `MessagingInboundMessagePayload.body`."""
    digits, drawn = inbound.sender.removeprefix("+"), account.identifiers.digits("wamid", 20)
    # Meta's own id of a message is base64 which holds the number of its writer.
    wamid = "wamid." + base64.b64encode(f"\x1d\x0b{digits}\x15{drawn}".encode()).decode()
    return {
        "id": account.identifiers.uuid("whatsapp body"),
        "type": "text",
        "from": digits,
        **({} if inbound.user_id is None else {"from_user_id": inbound.user_id}),
        "foreign_id": wamid,
        "timestamp": str(int(account.clock.now())),
        "text": {"body": inbound.text},
    }


def _obey_keyword(account: "Account", message: Message) -> None:
    profile_id = message.messaging_profile_id
    if message.autoresponse_type == "STOP":
        keyword = str(message.content.get("text", "")).strip().upper()
        account.opt_outs.put(ReceivedOptOut(message.to, message.sender, keyword, profile_id, account.clock.now()))
    if message.autoresponse_type == "START":
        account.opt_outs.lift(profile_id, message.sender)
