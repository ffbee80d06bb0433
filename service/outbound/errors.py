"""Classification of Telnyx's refusals, for the handler that met one.

Source of the codes: knowledge base, messaging error code reference.
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from importlib.resources import files
from typing import Any, Literal

from telnyx import APIConnectionError, APIError, APIResponseValidationError, APIStatusError

from service import clock
from service.events.event import parse_json
from service.outbound.api_call import answers_conflict, is_send
from service.security.masking import mask_numbers

STOP = "40300"
"""The code of a block by the recipient's STOP, never tried again."""

_RATE = frozenset({"10011", "40318"})
_LATER = frozenset({408, 425, 429})
_SECONDS = re.compile(r"\s*\d+\s*", re.ASCII)
_NUMBER = re.compile(r"\s*\d{1,12}(\.\d+)?\s*", re.ASCII)

LONGEST_WAIT = 3600.0
"""Seconds for which Telnyx is waited for at most, whatever it asks."""


@dataclass(frozen=True, slots=True)
class TelnyxResponse:
    """An answer of Telnyx, whole."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call did not succeed, and so what becomes of the handler that made it.

    | kind | then |
    |---|---|
    | account | refused for a reason of the account: parked until `block` is lifted |
    | held | not even sent, since `block` is known: parked |
    | later | a rate limit or an outage: again later |
    | hopeless | dead |
    | ambiguous | whether it took effect is not known and cannot be learnt: dead, for a person to resolve |
    | bug | code of Ringback failed: an attempt, as if the handler had raised it |

    `reason` is short and counted. `detail` is for a person, numbers masked. `after` is seconds, as Telnyx asks.
    """

    kind: Literal["account", "held", "later", "hopeless", "ambiguous", "bug"]
    reason: str
    detail: str
    after: float | None = None
    block: str | None = None


def classify_error(error: APIError) -> Refusal:
    """Tell what a failed call means, by the SDK's own error."""
    if isinstance(error, APIStatusError) and not isinstance(error, APIResponseValidationError):
        response = error.response
        answer = TelnyxResponse(error.status_code, response.headers, response.content)
        method, paths = error.request.method, _tails(error.request.url.path)
        return classify_response(
            answer,
            is_send=any(is_send(method, path) for path in paths),
            conflict_is_final=any(answers_conflict(method, path) for path in paths),
        )
    if isinstance(error, APIConnectionError):
        return unreachable(type(error).__name__)
    return Refusal(
        "later", "telnyx_unreadable", f"Telnyx answered in a form unknown to the SDK ({type(error).__name__})"
    )


def unreachable(error: str) -> Refusal:
    """Return the refusal of a call without an answer. `error` names the exception."""
    return Refusal("later", "telnyx_unreachable", f"Telnyx cannot be reached ({error})")


def classify_response(answer: TelnyxResponse, *, is_send: bool, conflict_is_final: bool = False) -> Refusal:
    """Tell what an answer other than a success means.

    `conflict_is_final` says that a 409 refuses the request itself, rather than an equal one that is under way.
    """
    errors = _errors(answer.body)
    known = _codes(errors)
    detail = _detail(answer.status, errors)
    if STOP in known:
        # With any status: public code shows 400, 403 and 409, and only the code is documented.
        return Refusal("hopeless", STOP, detail)
    reason = _account_reason(answer.status, known, is_send=is_send)
    if reason is not None:
        return Refusal("account", reason, detail)
    passing = answer.status in _LATER or not 400 <= answer.status < 500 or _RATE.intersection(known)
    if passing or (answer.status == 409 and not conflict_is_final):
        return Refusal("later", _passing_reason(answer.status), detail, retry_after(answer.headers))
    return Refusal("hopeless", known[0] if known else str(answer.status), detail)


def is_rate_limit(answer: TelnyxResponse) -> bool:
    """Return whether Telnyx says that it has done nothing because there was too much: 429, or a full queue (40318)."""
    return answer.status == 429 or bool(_RATE.intersection(_codes(_errors(answer.body))))


def is_object(answer: TelnyxResponse) -> bool:
    """Return whether the body is a JSON object, as every success of a send is."""
    try:
        return isinstance(parse_json(answer.body), dict)
    except ValueError:
        return False


def is_page(answer: TelnyxResponse) -> bool:
    """Return whether a success is a page, such as a proxy's. Telnyx's API has none."""
    return 200 <= answer.status < 300 and "text/html" in answer.headers.get("content-type", "")


def is_garbled(answer: TelnyxResponse) -> bool:
    """Return whether a success cannot be Telnyx's: it is a page, or JSON that cannot be read."""
    if not 200 <= answer.status < 300 or "json" not in answer.headers.get("content-type", ""):
        return is_page(answer)
    try:
        parse_json(answer.body)
    except ValueError:
        return answer.status != 204
    return False


def is_idempotency_conflict(answer: TelnyxResponse) -> bool:
    """Return whether a 422 says that the key was used for another request."""
    return answer.status == 422 and b"idempoten" in answer.body.lower()


def codes(body: bytes) -> list[str]:
    """Return the `errors[].code` of an answer."""
    return _codes(_errors(body))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait: `Retry-After`, else `x-ratelimit-reset` (knowledge base, rate limiting)."""
    value = headers.get("retry-after")
    number = number_in(value)
    wait = seconds_until(value, clock.now()) if number is None else number
    return _seconds_to_reset(headers) if wait is None else min(wait, LONGEST_WAIT)


def seconds_until(value: str | None, now: float) -> float | None:
    """Return the seconds in a `Retry-After`, 0 or more: a number or an HTTP date (RFC 9110, 10.2.3), else None."""
    if value is None or _SECONDS.fullmatch(value):
        return None if value is None else float(value.strip()[:16])
    try:
        moment = parsedate_to_datetime(value)
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError, TypeError, IndexError):
        # Odd dates raise any of these.
        return None


def number_in(value: str | None) -> float | None:
    """Return the number in a header, if it holds one that a person would write."""
    return float(value) if value is not None and _NUMBER.fullmatch(value) else None


def _tails(path: str) -> list[str]:
    """Return the possible paths without that of the base address."""
    return [path[place:] for place, letter in enumerate(path) if letter == "/"]


def _passing_reason(status: int) -> str:
    if 200 <= status < 300:
        return "telnyx_unreadable"
    if status == 409:
        return "in_progress"
    return "telnyx_outage" if status >= 500 else "rate_limit"


def _codes(errors: list[dict[str, Any]]) -> list[str]:
    return [_plain(each["code"]) for each in errors if "code" in each]


def _detail(status: int, errors: list[dict[str, Any]]) -> str:
    parts = [f"{status} (a redirect is not followed: check TELNYX_BASE_URL)" if 300 <= status < 400 else str(status)]
    for each in errors[:1]:
        parts += [_plain(each[name]) for name in ("code", "title", "detail") if each.get(name)]
    return mask_numbers(" · ".join(parts))[:500]


def _plain(text: object) -> str:
    """Return a text of Telnyx that UTF-8 can hold: half an emoji, for example, cannot be written."""
    return str(text).encode(errors="replace").decode()


def _errors(body: bytes) -> list[dict[str, Any]]:
    try:
        parsed = parse_json(body)
    except ValueError:
        return []
    if isinstance(parsed, dict):
        parsed = parsed.get("errors")
    return [each for each in parsed if isinstance(each, dict)] if isinstance(parsed, list) else []


def seconds_until_more_remain(answer: TelnyxResponse) -> float | None:
    """Return seconds until the next request may go after the last of a window (knowledge base, rate limiting)."""
    if answer.headers.get("x-ratelimit-remaining", "").strip() != "0":
        return None
    return _seconds_to_reset(answer.headers) or None


def _seconds_to_reset(headers: Mapping[str, str]) -> float | None:
    """Return the seconds in `x-ratelimit-reset`. More than an hour is a time of day, which must not hold up calls."""
    wait = number_in(headers.get("x-ratelimit-reset"))
    return wait if wait is not None and wait <= LONGEST_WAIT else None


@dataclass(frozen=True, slots=True)
class AccountBlock:
    """A refusal that concerns the account: its `status` and `code` (None: any), and the calls that it parks.

    They stay parked until a person acts. `account_blocks.toml` lists them.

    `kind` is the reason of parked handlers. `advice` tells a person what to do.
    """

    kind: str
    concerns: Literal["every call", "sends by that path", "sends of that messaging profile", "sends of that number"]
    advice: str
    status: int | None = None
    code: str | None = None

    def explains(self, status: int, codes: Collection[str], *, is_send: bool) -> bool:
        """Return whether an answer is this refusal."""
        fits = self.status in (None, status) and (self.code is None or self.code in codes)
        return fits and (is_send or self.concerns not in ("sends by that path", "sends of that number"))


_BLOCKS = tomllib.loads((files(__package__) / "account_blocks.toml").read_text("utf-8"))
ACCOUNT_BLOCKS = tuple(AccountBlock(**each) for each in _BLOCKS["block"])


def _account_reason(status: int, codes: Collection[str], *, is_send: bool) -> str | None:
    """Return the kind of the block that an answer opens, if any."""
    found = [each for each in ACCOUNT_BLOCKS if each.explains(status, codes, is_send=is_send)]
    # A code that is documented for any status says more than one that depends on the status.
    return min(found, key=lambda each: each.status is not None).kind if found else None
