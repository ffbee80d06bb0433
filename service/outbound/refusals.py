"""What Telnyx's refusals mean for the handler that met one.

Source of the codes: knowledge base, messaging error code reference.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from telnyx import APIConnectionError, APIError, APIResponseValidationError, APIStatusError

from service import clock
from service.masking import mask_numbers

STOP = "40300"
"""Blocked by the recipient's STOP; never to be tried again."""

_ACCOUNT = {"40312": "profile_disabled", "40333": "spending_limit"}
_RATE = frozenset({"10011", "40318"})
_LATER = frozenset({408, 409, 425, 429})
_LONGEST_WAIT = 3600.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call failed: for a reason of the account, for now, or for good.

    `reason` is short and counted; `detail` is for a person, numbers masked; `after` is seconds, as Telnyx asks.
    """

    kind: Literal["account", "later", "hopeless"]
    reason: str
    detail: str
    after: float | None = None


def judge(error: APIError) -> Refusal:
    """Tell what a failed call means."""
    if isinstance(error, APIStatusError) and not isinstance(error, APIResponseValidationError):
        return _judge_status(error)
    if isinstance(error, APIConnectionError):
        return Refusal("later", "telnyx_unreachable", f"Telnyx cannot be reached ({type(error).__name__})")
    return Refusal(
        "later", "telnyx_unreadable", f"Telnyx answered in a form unknown to the SDK ({type(error).__name__})"
    )


def recipient(error: APIError) -> str | None:
    """The number that the refused message was for."""
    try:
        body = json.loads(error.request.content)
    except ValueError:
        return None
    to = body.get("to") if isinstance(body, dict) else None
    return to if isinstance(to, str) else None


def codes(error: APIError) -> list[str]:
    """The `errors[].code` of the answer."""
    return [str(each["code"]) for each in _errors(error) if "code" in each]


def _judge_status(error: APIStatusError) -> Refusal:
    status, known = error.status_code, codes(error)
    detail = _detail(error)
    if STOP in known:
        # Whatever its status: public code shows 400, 403 and 409, and only the code is documented.
        return Refusal("hopeless", STOP, detail)
    for code in known:
        if code in _ACCOUNT:
            return Refusal("account", _ACCOUNT[code], detail)
    if status == 401:
        return Refusal("account", "credentials", detail)
    if status == 403 and "10010" in known and _is_send(error):
        return Refusal("account", "permission", detail)
    if status in _LATER or status >= 500 or _RATE.intersection(known):
        return Refusal("later", _passing_reason(status), detail, _asked_wait(error.response.headers))
    return Refusal("hopeless", known[0] if known else str(status), detail)


def _passing_reason(status: int) -> str:
    return {409: "in_progress", 429: "rate_limit"}.get(status, "telnyx_outage" if status >= 500 else "rate_limit")


def _is_send(error: APIStatusError) -> bool:
    return error.request.method == "POST" and "/messages" in error.request.url.path


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that Telnyx asks to wait: `Retry-After`, else `x-ratelimit-reset` (knowledge base, rate limiting)."""
    for name in ("retry-after", "x-ratelimit-reset"):
        wait = _seconds(headers.get(name))
        if wait is not None:
            return min(max(wait, 0.0), _LONGEST_WAIT)
    return None


def _seconds(value: str | None) -> float | None:
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return parsedate_to_datetime(value).timestamp() - clock.now()
    except ValueError:
        return None


def _detail(error: APIStatusError) -> str:
    parts = [f"{error.status_code}"]
    for each in _errors(error)[:1]:
        parts += [str(each[name]) for name in ("code", "title", "detail") if each.get(name)]
    return mask_numbers(" · ".join(parts))[:500]


def _errors(error: APIError) -> list[dict[str, Any]]:
    body = error.body
    if isinstance(body, dict) and "errors" in body:
        body = body["errors"]
    return [each for each in body if isinstance(each, dict)] if isinstance(body, list) else []
