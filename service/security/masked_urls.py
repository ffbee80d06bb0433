"""URLs as they may be shown: without logins, passwords and tokens."""

import re

from pydantic import SecretStr

MASK = "•••"

_LOGIN = re.compile(r"(?<=://).*@", re.DOTALL)
_QUERY = re.compile(r"(?<=\?).*", re.DOTALL)
_PASSWORD_PARAMETER = re.compile(r"([?&][^=&]*(?:pass|user|secret|token|key)[^=&]*=)[^&]*", re.IGNORECASE)

_WEBHOOK_URLS = frozenset({"webhookurl", "webhookfailoverurl"})


def is_webhook_url(field: str) -> bool:
    """Return whether a field of Telnyx's holds a webhook URL, such as `webhook_failover_url` or `webhookURL`."""
    return field.replace("_", "").lower() in _WEBHOOK_URLS


def without_password(url: str | SecretStr) -> str:
    """Return a URL with its login masked, also where parameters hold one."""
    text = url.get_secret_value() if isinstance(url, SecretStr) else url
    return _PASSWORD_PARAMETER.sub(rf"\1{MASK}", _LOGIN.sub(f"{MASK}@", text))


def without_secrets(url: str) -> str:
    """Return a URL with its login and its query masked: a query often holds a receiver's token."""
    return _QUERY.sub(MASK, without_password(url))
