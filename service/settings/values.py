"""The values that variables take. A function here raises ValueError with the correct form, and quotes no secret."""

import base64
import binascii
import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from nacl.signing import SigningKey
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from service.security.dashboard_users import is_inline, parse_users
from service.security.standard_webhooks import Secret
from service.security.telnyx_signature import PublicKey

Network = IPv4Network | IPv6Network

_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*")
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "b": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3, "kb": 1000, "mb": 1000**2, "gb": 1000**3}
_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_AROUND_COMMAS = re.compile(r"\s*,\s*")
_HTTP = ("http://", "https://")


def read_by(parse: Callable[[str], object]) -> BeforeValidator:
    """Return a validator that parses texts. Values of other types pass through."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def checked_by(check: Callable[[str], object]) -> AfterValidator:
    """Return a validator that changes nothing, and raises the ValueError of `check`. None passes through."""

    def checked(value: Any) -> Any:
        if value is not None:
            check(value.get_secret_value() if isinstance(value, SecretStr) else value)
        return value

    return AfterValidator(checked)


def seconds(text: str) -> float:
    """Read `30`, `30s`, `250ms`, `22h` or `7d` as seconds."""
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in _SECONDS:
        raise ValueError("give a duration such as 30s, 15m, 22h or 7d")
    return float(match[1]) * _SECONDS[match[2]]


def size(text: str) -> int:
    """Read `1048576`, `512KiB`, `1MiB` or `2GB` as bytes."""
    match = _QUANTITY.fullmatch(text.lower())
    if match is None or match[2] not in _BYTES or "." in match[1]:
        raise ValueError("give a size such as 512KiB, 1MiB or 2GB")
    return int(match[1]) * _BYTES[match[2]]


def public_keys(text: str) -> tuple[PublicKey, ...]:
    """Read public keys between commas."""
    entries = text.split(",")
    if any(not entry.strip() for entry in entries):
        raise ValueError("an entry between commas is empty")
    return tuple(map(PublicKey.parse, entries))


def webhook_secrets(text: str) -> tuple[Secret, ...]:
    """Read secrets of Standard Webhooks between commas."""
    return tuple(map(Secret.parse, text.split(",")))


def signing_key(text: str) -> SigningKey:
    """Read the base64 of an Ed25519 seed."""
    try:
        seed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64 of 32 random bytes") from None
    if len(seed) != 32:
        raise ValueError(f"must be base64 of 32 random bytes, this one has {len(seed)}")
    return SigningKey(seed)


def check_dashboard_users(text: str) -> None:
    """Check users of the dashboard that are given in the variable. A file is read at the start."""
    if is_inline(text):
        parse_users(text)


def networks(text: str) -> tuple[Network, ...]:
    """Read addresses or networks between commas."""
    try:
        return tuple(ip_network(each, strict=False) for each in text.split(","))
    except ValueError:
        raise ValueError("give addresses or networks, such as 127.0.0.1,10.0.0.0/8") from None


def countries(text: str) -> frozenset[str]:
    """Read two letters each (ISO 3166), between commas. Empty means the countries of the account's numbers."""
    found = [each.strip().upper() for each in text.split(",")] if text.strip() else []
    if not all(re.fullmatch("[A-Z]{2}", each) for each in found):
        raise ValueError("give countries by two letters, with commas between them, such as US,CA")
    if found and (unknown := sorted(set(found) - _regions())):
        # A country that there is not would refuse every answer there.
        raise ValueError(f"there is no {', '.join(unknown)}: give codes of ISO 3166, such as US,CA or GB for the UK")
    return frozenset(found)


def _regions() -> set[str]:
    from phonenumbers import SUPPORTED_REGIONS  # noqa: PLC0415 - the ingress starts without it

    return set(SUPPORTED_REGIONS)


def check_namespace(text: str) -> None:
    """Refuse a name that is not fit for keys in Redis, and arq's own."""
    if text == "arq":
        raise ValueError("every arq application without a queue name of its own uses this one: use another name")
    if not _NAMESPACE.fullmatch(text):
        raise ValueError("use 1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit")


def fitting(pattern: str, otherwise: str) -> AfterValidator:
    """Return a validator that refuses texts which do not match, and says `otherwise`."""

    def check(text: str) -> None:
        if not re.fullmatch(pattern, text):
            raise ValueError(otherwise)

    return checked_by(check)


def check_ids(text: str) -> None:
    """Refuse all but `*`, and ids between commas."""
    if text.strip() != "*" and any(each.strip() in ("", "*") for each in text.split(",")):
        raise ValueError("give * alone, or ids of agents and messaging profiles with commas between them")


def check_api_url(text: str) -> None:
    """Refuse all but a URL of http or https with a host."""
    if not text.startswith(_HTTP):
        raise ValueError("must begin with https:// (or http://, for a local Telnyx)")
    _parts(text)


def check_receiver(text: str) -> None:
    """Refuse all but an ASCII URL of http or https with a host."""
    if not text.startswith(_HTTP) or not text.isascii():
        raise ValueError("give the whole address of your service, such as https://host/webhooks")
    _parts(text)


def webhook_url(path: str) -> AfterValidator:
    """Return a validator for the URL of an endpoint of Ringback. A URL without a path gets `path`."""

    def checked(text: str | None) -> str | None:
        if text is None:
            return None
        check_api_url(text)
        parts = _parts(text)
        return text if parts.path.strip("/") else urlunsplit(parts._replace(path=path))

    return AfterValidator(checked)


def _parts(text: str) -> SplitResult:
    """Split a URL. Refuse one without a host, or whose port is part of a password."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        # Its own text quotes the URL, and a password with it.
        raise ValueError(
            "cannot be read: percent-encode special characters in a user name or password, such as / as %2F"
        ) from None
    if not parts.hostname:
        raise ValueError("names no host: give an address such as https://host/path")
    return parts


def _trimmed(value: object) -> object:
    """Remove white space at the ends and beside commas. Refuse it elsewhere, because no key and no URL has any."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        return value
    text = _AROUND_COMMAS.sub(",", text.strip())
    if any(each.isspace() or not each.isprintable() for each in text):
        raise ValueError("has white space or a control character inside: copy it anew, without line breaks")
    return text or None


Ascii = fitting(r"[\x00-\x7f]*", "holds a character that no key has: copy it anew")
HeaderName = fitting(r"[A-Za-z0-9-]+", "give the name of a header, such as X-Forwarded-User")
RootPath = fitting(r"(?:/[A-Za-z0-9._~-]+)*", "give a path such as /ringback, without a slash at its end")
ImportString = fitting(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", "give module:name, such as my_handlers:router")
Sender = Annotated[
    str | None,
    fitting(
        r"\+[1-9]\d{6,14}|\d{3,8}|profile",
        "give a number such as +13125550001, a short code of 3 to 8 digits, or the word profile",
    ),
]
"""The sender of an SMS: a number, a short code, or `profile` for the number pool of a profile."""
Trimmed = BeforeValidator(_trimmed)
TrimmedText = Annotated[str | None, Trimmed]
TrimmedSecret = Annotated[SecretStr | None, Trimmed]
Duration = Annotated[float, read_by(seconds), Field(gt=0, allow_inf_nan=False)]
Size = Annotated[int, read_by(size), Field(gt=0)]
