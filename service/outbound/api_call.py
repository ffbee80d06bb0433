"""The facts about a request to Telnyx: operation, recipient, and whether it may be repeated."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from urllib.parse import unquote

import httpx

from service.events.event import parse_json
from service.security.masking import mask_number, mask_numbers

Product = Literal["sms", "mms", "rcs", "whatsapp"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_SENDS: Mapping[str, Product | None] = {
    "/messages": "sms",
    "/messages/alphanumeric_sender_id": "sms",
    "/messages/group_mms": "mms",
    "/messages/long_code": "sms",
    "/messages/number_pool": "sms",
    "/messages/rcs": "rcs",
    "/messages/short_code": "sms",
    "/messages/whatsapp": "whatsapp",
    "/email_messages": None,
    "/email_messages/batch": None,
}
"""The sends, each with the product whose limits it counts against. E-mail has none of those.

Source: SDK 4.189.0, where these take `idempotency_key`.
"""
_ASSISTANT_SEND = re.compile(r"/ai/assistants/[^/]+/chat/(?P<product>sms|whatsapp)")
"""An assistant's first message to somebody. Source: SDK 4.189.0, `ai.assistants.send_sms` and `.whatsapp`."""
_SCHEDULE = "/messages/schedule"
_ASSISTANT_SCHEDULE = re.compile(r"/ai/assistants/[^/]+/scheduled_events")
"""Requests for messages that Telnyx sends later. They go to somebody too. Telnyx need not recognise a repetition.

Source: SDK 4.189.0, `messages.schedule` and `ai.assistants.scheduled_events.create`.
"""
_KEYED = frozenset({"/rcs/agents"})
"""No sends, but Telnyx recognises a repetition by its key. Source: SDK 4.189.0, `rcs.agents.create`."""

_TOLL_FREE_REQUEST = re.compile(r"/messaging_tollfree/verification/requests/[^/]+")
_REPEATABLE = re.compile(
    r"/messaging/rcs/agents/[^/]+|/messaging_profiles/[^/]+|/10dlc/(brand|campaign|partner_campaigns)/[^/]+"
    r"|/rcs/(brands|agents)/[^/]+"
)
_REPEATABLE_POSTS = re.compile(r"/rcs/brands/[^/]+/submit|/rcs/agents/[^/]+/(submit|launch|test_devices)")
"""A repetition shows what is there and begins nothing new. Source: SDK 4.189.0, `rcs.brands` and `rcs.agents`."""
_BORDER = re.compile(r"multipart/form-data;\s?boundary=(?P<border>[\w-]+)")
_OUR_KEY = re.compile(r"rb-[0-9a-f]{64}")
_FIT_KEY = re.compile(r"[A-Za-z0-9_:-]{1,255}")
"""The form of key that Telnyx takes. Source: OpenAPI `components.parameters.IdempotencyKey`, Telnyx's page on it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a handler, read before it is sent. `path` is without that of the base address.

    `caller_key` is the `Idempotency-Key` that the caller gave. `product` says whose limits a send counts against.
    `recipient` is whom it writes to, now or later. `carrier` is that of the recipient, by its one name, if it is known.
    """

    method: str
    path: str
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""
    caller_key: str | None = field(default=None, repr=False)
    product: Product | None = None
    recipient: str | None = field(default=None, repr=False)
    messaging_profile_id: str | None = None
    sender: str | None = field(default=None, repr=False)
    carrier: str | None = None

    @property
    def is_effect(self) -> bool:
        """Whether it may change something at Telnyx."""
        return self.method not in SAFE_METHODS

    @property
    def is_send(self) -> bool:
        """Whether it sends a message to somebody."""
        return is_send(self.method, self.path.partition("?")[0])

    @property
    def keyed(self) -> bool:
        """Whether Telnyx recognises a repetition by its key: a send, or the creation of an RCS agent."""
        return self.is_send or self.answers_conflict

    @property
    def answers_conflict(self) -> bool:
        """Whether a 409 says that its key was used for another request. Source: SDK 4.189.0, `rcs.agents.create`."""
        return answers_conflict(self.method, self.path.partition("?")[0])

    @property
    def repeatable(self) -> bool:
        """Whether doing it twice is doing it once: a delete, setting fields, or a submission of RCS."""
        if self.method == "POST":
            return _REPEATABLE_POSTS.fullmatch(self.path) is not None
        return self.method == "DELETE" or (
            self.method in ("PATCH", "PUT") and _REPEATABLE.fullmatch(self.path) is not None
        )

    @property
    def replaces_toll_free_request(self) -> bool:
        """Whether it re-submits a toll-free verification, which un-verifies the number."""
        return self.method == "PATCH" and _TOLL_FREE_REQUEST.fullmatch(self.path) is not None

    @property
    def digest(self) -> str:
        """The digest of its bytes, but for the border of an upload's parts, which is drawn anew each time."""
        border = _BORDER.fullmatch(self.content_type)
        body = self.body.replace(border["border"].encode(), b"") if border else self.body
        return hashlib.sha256(body).hexdigest()

    @property
    def target(self) -> str:
        """The digest of method, path and recipient: calls that differ in these are never the same effect."""
        return digest("target", self.method, self.path, self.recipient or "")

    @property
    def shown_path(self) -> str:
        """The path as people may see it."""
        return mask_numbers(unquote(self.path))

    @property
    def shown_recipient(self) -> str:
        """The recipient as people may see it."""
        return ", ".join(map(mask_number, self.recipient.split(","))) if self.recipient else ""


def is_send(method: str, path: str) -> bool:
    """Return whether a request sends a message. `path` has neither the query nor the base address's path."""
    return method == "POST" and (path in _SENDS or _ASSISTANT_SEND.fullmatch(path) is not None)


def answers_conflict(method: str, path: str) -> bool:
    """Return whether a 409 to this request says that its key was used for another one. `path` as for `is_send`."""
    return method == "POST" and path in _KEYED


def digest(*parts: str) -> str:
    """Return a digest of several texts and their borders."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def name_of_key(key: str, *operation: str) -> str:
    """Return the ledger's name of the effect with this key: the key's digest, which a key of ours already is.

    `operation` is the method and path: at Telnyx a key stands for one request of one operation. Source: Telnyx's page
    on idempotency.
    """
    return key.removeprefix("rb-") if _OUR_KEY.fullmatch(key) else digest("key", *operation, key)


def header_for(name: str, generation: int) -> str:
    """Return the `Idempotency-Key` of an effect: another one only after it was forgotten on purpose."""
    return f"rb-{digest(name, str(generation)) if generation else name}"


def key_header(call: Call, name: str, generation: int) -> str | None:
    """Return the `Idempotency-Key` of a call, or None where Telnyx takes none and none was given.

    The caller's own key arrives unchanged. It arrives as a digest where Telnyx would refuse its form, or where the
    effect was forgotten on purpose.
    """
    if call.caller_key is not None and generation == 0 and _FIT_KEY.fullmatch(call.caller_key):
        return call.caller_key
    return header_for(name, generation) if call.keyed or call.caller_key is not None else None


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body, or an empty one."""
    try:
        fields = parse_json(body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


async def read_call(request: httpx.Request, base_path: str) -> Call:
    """Read a request whole, and tell what it is."""
    body = await request.aread()
    target = request.url.raw_path.decode("ascii").removeprefix(base_path)
    content_type = request.headers.get("content-type", "")
    fields = json_object(body) if "json" in content_type else {}
    path = target.partition("?")[0]
    return Call(
        method=request.method,
        path=target if request.method not in SAFE_METHODS else path,
        body=body,
        content_type=content_type,
        caller_key=request.headers.get("idempotency-key") or None,
        product=_product(request.method, path, fields),
        recipient=_recipient(request.method, path, fields),
        messaging_profile_id=_text(fields.get("messaging_profile_id")),
        sender=_text(fields.get("from")) or _text(fields.get("agent_id")),
    )


def _product(method: str, path: str, fields: Mapping[str, Any]) -> Product | None:
    if not is_send(method, path):
        return None
    by_assistant = _ASSISTANT_SEND.fullmatch(path)
    product = cast("Product", by_assistant["product"]) if by_assistant else _SENDS[path]
    is_mms = fields.get("media_urls") or fields.get("type") == "MMS"
    return "mms" if product == "sms" and is_mms else product


def _recipient(method: str, path: str, fields: Mapping[str, Any]) -> str | None:
    if method == "POST" and _ASSISTANT_SCHEDULE.fullmatch(path):
        # Beside texts it can schedule calls, which a STOP says nothing of.
        is_text = fields.get("telnyx_conversation_channel") == "sms_chat"
        return _text(fields.get("telnyx_end_user_target")) if is_text else None
    if not is_send(method, path) and (method, path) != ("POST", _SCHEDULE):
        return None
    to = fields.get("to")
    if isinstance(to, list):
        return ",".join(sorted(each for each in to if isinstance(each, str)))
    return _text(to)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def idempotency_key(*parts: str) -> str:
    """Return the `Idempotency-Key` of an effect: the same for the same parts, and of the form that Telnyx takes.

    Source: OpenAPI `components.parameters.IdempotencyKey`, 1 to 255 of `[A-Za-z0-9_-]`.
    """
    return f"rb-{digest(*parts)}"
