"""WhatsApp's own ids: of users, who may hide their numbers, and of messages, which may hold one. Pure.

Source: SDK 4.189, `MessagingInboundMessagePayload.body` and `MessageWhatsappParams`.
"""

import re

_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")


def is_user_id(text: object) -> bool:
    """Whether this is a business-scoped user id (BSUID), such as `US.13491208655302741918`."""
    return isinstance(text, str) and _USER_ID.fullmatch(text) is not None
