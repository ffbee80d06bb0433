"""WhatsApp's own ids: of users, who may hide their numbers, and of messages, which may hold one. Pure.

Source: SDK 4.189, `MessagingInboundMessagePayload.body` and `MessageWhatsappParams`.
"""

import re
from collections.abc import Mapping
from typing import Any

_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")


def is_user_id(text: object) -> bool:
    """Whether this is a business-scoped user id (BSUID), such as `US.13491208655302741918`."""
    return isinstance(text, str) and _USER_ID.fullmatch(text) is not None


def user_id_of(payload: Mapping[str, Any]) -> str | None:
    """Return the id of the WhatsApp user who wrote a message; None where it bears none."""
    body, channel = payload.get("body"), payload.get("type")
    user_id = body.get("from_user_id") if isinstance(body, Mapping) else None
    by_whatsapp = isinstance(channel, str) and channel.strip().upper() == "WHATSAPP"
    return user_id if by_whatsapp and isinstance(user_id, str) and is_user_id(user_id) else None
