"""Telnyx's webhook signature: Ed25519 over `<telnyx-timestamp>|<raw body>`.

Pure: keys, headers and the time are arguments. Source: the official SDK's `resources/webhooks.py` (from 4.178.0), which
also gives the tolerance of 300 s in both directions.
"""

import base64
import binascii
import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

from nacl.bindings import crypto_core_ed25519_is_valid_point, crypto_sign_open
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey

SIGNATURE_HEADER = "telnyx-signature-ed25519"
TIMESTAMP_HEADER = "telnyx-timestamp"
TOLERANCE = 300
"""Seconds that a timestamp may lie in the past or the future."""

SIMULATOR_KEYS = 64
"""Key pairs that the simulator has: few, so that each can be recognised."""

_LONGEST_TIMESTAMP = 16
_WANTED = (SIGNATURE_HEADER.encode(), TIMESTAMP_HEADER.encode())
_WHERE = "copy the account's from Mission Control, Keys & Credentials, Public Key"

RawHeaders = Iterable[tuple[bytes, bytes]]


BEYOND_TOLERANCE = "timestamp is beyond the tolerance"


class InvalidSignature(Exception):
    """The request is not provably from Telnyx. `reason` is terse and safe to answer with."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key of the account, and its short name in logs."""

    raw: bytes = field(repr=False)
    fingerprint: str

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Read the base64 text that Telnyx shows under Keys & Credentials.

        Raises:
            ValueError: the text is not base64 of 32 bytes, or no key pair has this public half.
        """
        try:
            raw = base64.b64decode(text.strip(), validate=True)
        except ValueError:
            raise ValueError(f"a public key must be standard base64: {_WHERE}") from None
        if len(raw) != 32:
            raise ValueError(f"a public key must be base64 of 32 bytes, this one has {len(raw)}")
        if not crypto_core_ed25519_is_valid_point(raw):
            raise ValueError(
                f"no private key belongs to this public key (all zero, of small order or damaged): {_WHERE}"
            )
        return cls(raw, hashlib.sha256(raw).hexdigest()[:8])


@dataclass(frozen=True, slots=True)
class SignatureHeaders:
    """The signature and timestamp of one request: well-formed and fresh, not yet verified against a body."""

    signature: bytes
    timestamp: bytes

    @property
    def headers(self) -> dict[str, str]:
        """The two headers as they came."""
        signature = base64.b64encode(self.signature).decode()
        return {SIGNATURE_HEADER: signature, TIMESTAMP_HEADER: self.timestamp.decode()}

    def prove(self, body: bytes, keys: Sequence[PublicKey]) -> PublicKey:
        """Return the key that signed `body`.

        Raises:
            InvalidSignature: no key fits.
        """
        signed = self.signature + self.timestamp + b"|" + body
        for key in keys:
            try:
                crypto_sign_open(signed, key.raw)
            except BadSignatureError:
                continue
            return key
        raise InvalidSignature("signature does not match")


def read_signature_headers(headers: RawHeaders, now: float, tolerance: int = TOLERANCE) -> SignatureHeaders:
    """Check the form of the two headers and the age of the timestamp, without the body.

    Raises:
        InvalidSignature: a header is missing, repeated or malformed, or the timestamp is beyond `tolerance` seconds.
    """
    signature, timestamp = _single_values(headers)
    try:
        decoded = binascii.a2b_base64(signature, strict_mode=True)
    except ValueError:
        raise InvalidSignature("signature is not base64") from None
    if len(decoded) != 64:
        raise InvalidSignature("signature is not 64 bytes long")
    if not timestamp.isdigit() or len(timestamp) > _LONGEST_TIMESTAMP:
        raise InvalidSignature("timestamp is not plain digits")
    if abs(math.floor(now) - int(timestamp)) > tolerance:
        raise InvalidSignature(BEYOND_TOLERANCE)
    return SignatureHeaders(decoded, timestamp)


def sign(body: bytes, key: SigningKey, timestamp: int) -> dict[str, str]:
    """Return the two headers that Telnyx would send with `body` at `timestamp` (unix seconds)."""
    signature = key.sign(f"{timestamp}|".encode() + body).signature
    return {SIGNATURE_HEADER: base64.b64encode(signature).decode(), TIMESTAMP_HEADER: str(timestamp)}


def public_key_text(key: SigningKey) -> str:
    """Return the public half of `key` in the form that `TELNYX_PUBLIC_KEY` takes."""
    return base64.b64encode(bytes(key.verify_key)).decode()


def simulator_key(seed: int) -> SigningKey:
    """Return the key pair of a simulator with this seed."""
    return SigningKey(hashlib.sha256(f"ringback simulator {seed % SIMULATOR_KEYS}".encode()).digest())


def describe_known_key(public_key: bytes) -> str | None:
    """Return the owner of a publicly known key in words, or None.

    Every reader of this repository can sign with the simulator's keys and with one byte repeated. Cost: about 20 ms at
    the first call.
    """
    return _known_keys().get(public_key)


def _single_values(headers: RawHeaders) -> list[bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        lowered = name.lower()
        if lowered in _WANTED:
            if lowered in found:
                raise InvalidSignature(f"{lowered.decode()} header sent twice")
            found[lowered] = value
    for name in _WANTED:
        if name not in found:
            raise InvalidSignature(f"{name.decode()} header missing")
    return [found[name] for name in _WANTED]


@cache
def _known_keys() -> dict[bytes, str]:
    keys = [(simulator_key(seed), "the simulator's key") for seed in range(SIMULATOR_KEYS)]
    keys += [(SigningKey(bytes([byte]) * 32), "a sample key") for byte in range(1, 256)]
    keys.append((SigningKey(bytes(32)), "the sample key of the documentation"))
    return {bytes(key.verify_key): owner for key, owner in keys}
