"""What a request to Telnyx is: which operation, for whom, and what may be done where its fate is unknown."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote

import httpx

from service.masking import mask_number, mask_numbers

Product = Literal["sms", "mms", "rcs"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
KEYED = frozenset(
    {
        "/messages",
        "/messages/alphanumeric_sender_id",
        "/messages/group_mms",
        "/messages/long_code",
        "/messages/number_pool",
        "/messages/rcs",
        "/messages/short_code",
        "/messages/whatsapp",
    }
)
"""Sends, for which Telnyx honours an `Idempotency-Key`. Source: SDK 4.189.0, where these take `idempotency_key`."""

_TOLL_FREE_REQUEST = re.compile(r"/messaging_tollfree/verification/requests/[^/]+")
_REPEATABLE = re.compile(r"/messaging/rcs/agents/[^/]+|/messaging_profiles/[^/]+")
_BORDER = re.compile(r"multipart/form-data; boundary=(?P<border>[\w-]+)")
_OUR_KEY = re.compile(r"rb-[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a handler, read before it is sent; `path` is without that of the base address.

    `own_key` is the `Idempotency-Key` that the caller gave. `product` says whose limits a send counts against.
    """

    method: str
    path: str
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""
    own_key: str | None = field(default=None, repr=False)
    product: Product | None = None
    recipient: str | None = field(default=None, repr=False)
    messaging_profile_id: str | None = None
    sender: str | None = field(default=None, repr=False)

    @property
    def is_effect(self) -> bool:
        """Whether it may change something at Telnyx."""
        return self.method not in SAFE_METHODS

    @property
    def keyed(self) -> bool:
        """Whether Telnyx recognises a repetition by its key: a send."""
        return self.method == "POST" and self.path.partition("?")[0] in KEYED

    @property
    def repeatable(self) -> bool:
        """Whether doing it twice is doing it once: a delete, or setting the URLs of an agent or a profile."""
        return self.method == "DELETE" or (self.method == "PATCH" and _REPEATABLE.fullmatch(self.path) is not None)

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


def digest(*parts: str) -> str:
    """A digest of several texts, which their borders are part of."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def name_of_key(key: str) -> str:
    """The name in the ledger of the effect with this key: its digest, which a key of ours is already."""
    return key.removeprefix("rb-") if _OUR_KEY.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()


def header_for(name: str, generation: int) -> str:
    """The `Idempotency-Key` of an effect: another one only after it was forgotten on purpose."""
    return f"rb-{digest(name, str(generation)) if generation else name}"


async def read_call(request: httpx.Request, base_path: str) -> Call:
    """Read a request whole, and tell what it is."""
    body = await request.aread()
    target = request.url.raw_path.decode("ascii").removeprefix(base_path)
    fields = _fields(request, body)
    path = target.partition("?")[0]
    return Call(
        method=request.method,
        path=target if request.method not in SAFE_METHODS else path,
        body=body,
        content_type=request.headers.get("content-type", ""),
        own_key=request.headers.get("idempotency-key"),
        product=_product(request.method, path, fields),
        recipient=_recipient(fields) if path.startswith("/messages") else None,
        messaging_profile_id=_text(fields.get("messaging_profile_id")),
        sender=_text(fields.get("from")) or _text(fields.get("agent_id")),
    )


def _fields(request: httpx.Request, body: bytes) -> Mapping[str, Any]:
    if "json" not in request.headers.get("content-type", ""):
        return {}
    try:
        fields = json.loads(body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _product(method: str, path: str, fields: Mapping[str, Any]) -> Product | None:
    if method != "POST" or path not in KEYED or path == "/messages/whatsapp":
        return None
    if path == "/messages/rcs":
        return "rcs"
    is_mms = path == "/messages/group_mms" or fields.get("media_urls") or fields.get("type") == "MMS"
    return "mms" if is_mms else "sms"


def _recipient(fields: Mapping[str, Any]) -> str | None:
    to = fields.get("to")
    if isinstance(to, list):
        return ",".join(sorted(each for each in to if isinstance(each, str)))
    return _text(to)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
