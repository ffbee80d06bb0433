"""Standard Webhooks 1.0.0 (standardwebhooks.com): the headers by which a receiver knows who sent a body. Pure."""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64
_FIT_AS_ID = re.compile(r"[A-Za-z0-9_:~-]{1,128}")


@dataclass(frozen=True, slots=True)
class Secret:
    """A key that sender and receiver share."""

    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Secret":
        """Read `whsec_` and base64. Prefix and padding are optional.

        Raises:
            ValueError: the text is not base64 of 24 to 64 bytes.
        """
        encoded = text.strip().removeprefix(_PREFIX)
        try:
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except ValueError:
            raise ValueError("give whsec_ and the base64 of 24 to 64 random bytes") from None
        if not _SHORTEST <= len(key) <= _LONGEST:
            raise ValueError(f"give whsec_ and the base64 of 24 to 64 random bytes, this one has {len(key)}")
        return cls(key)

    def sign(self, message_id: str, timestamp: int, body: bytes) -> str:
        """Return `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`."""
        signed = f"{message_id}.{timestamp}.".encode() + body
        return "v1," + base64.b64encode(hmac.digest(self.key, signed, "sha256")).decode()


def message_id(event_id: str) -> str:
    """Return the id under which an event is sent, the same at each attempt.

    It is the event's own, unless that does not fit a header or the signed form, which forbids full stops.
    """
    if _FIT_AS_ID.fullmatch(event_id):
        return event_id
    return "sha256:" + hashlib.sha256(event_id.encode()).hexdigest()


def headers(event_id: str, timestamp: int, body: bytes, secrets: Sequence[Secret]) -> dict[str, str]:
    """Return the headers of one attempt at `timestamp` (unix seconds), signed by each secret."""
    identity = message_id(event_id)
    unsigned = {ID_HEADER: identity, TIMESTAMP_HEADER: str(timestamp)}
    if not secrets:
        return unsigned
    return {**unsigned, SIGNATURE_HEADER: " ".join(secret.sign(identity, timestamp, body) for secret in secrets)}
