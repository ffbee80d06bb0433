"""The fields of a WhatsApp message to us beside its text: its writer, and Meta's own id of it."""

import base64
from typing import Any

from service.testing.simulator.account import Account


def whatsapp_body(account: Account, sender: str, user_id: str | None, text: str) -> dict[str, Any]:
    """The `body` of an inbound WhatsApp message. Source: SDK 4.189, `MessagingInboundMessagePayload.body`."""
    return {
        "id": account.identifiers.uuid("whatsapp body"),
        "type": "text",
        "from": sender.removeprefix("+"),
        **({} if user_id is None else {"from_user_id": user_id}),
        "foreign_id": _wamid(account, sender),
        "timestamp": str(int(account.clock.now())),
        "text": {"body": text},
    }


def _wamid(account: Account, sender: str) -> str:
    """An id as Meta makes it: base64 which holds the number of who wrote."""
    drawn = account.identifiers.digits("wamid", 20)
    return "wamid." + base64.b64encode(f"\x1d\x0b{sender.removeprefix('+')}\x15{drawn}".encode()).decode()
