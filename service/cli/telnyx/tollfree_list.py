"""Lists and details of toll-free verification requests, numbers and texts masked unless they are to be revealed."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.cli.output import say
from service.cli.tables import print_table
from service.registrations.status_changes import Status
from service.security.masking import mask_number, mask_numbers

_NUMBERS = frozenset({"businessContactPhone"})
_TEXTS = frozenset(
    {
        "productionMessageContent",
        "optInConfirmationResponse",
        "helpMessageResponse",
        "campaignVerifyAuthorizationToken",
    }
)
"""Fields that are sent to people, and the one secret."""
_PLAIN = frozenset(
    {"id", "verificationRequestId", "createdAt", "updatedAt", "businessZip", "businessRegistrationNumber"}
)


def shown(request: Mapping[str, Any], *, reveal: bool) -> dict[str, Any]:
    """A request by Telnyx's names, as it may be shown."""
    return {field: value if reveal else _masked(field, value) for field, value in request.items()}


def in_words(value: Any) -> str:
    """A value of a request in a line."""
    if value is None:
        return "unset"
    if isinstance(value, list):
        parts = (next(iter(each.values()), "") if isinstance(each, dict) else each for each in value)
        return ", ".join(map(str, parts))
    return str(value)


def show_requests(requests: Sequence[Mapping[str, Any]]) -> None:
    """A table of requests that may be shown."""
    columns = ("id", "status", "business", "numbers", "changed", "reason")
    fields = ("id", "verificationStatus", "businessName", "phoneNumbers", "updatedAt", "reason")
    rows = [[in_words(each[field]) if each.get(field) else "" for field in fields] for each in requests]
    print_table(columns, rows)


def show_request(request: Mapping[str, Any], history: Sequence[Status], *, reveal: bool) -> None:
    """Every field of a request that may be shown, and below them its history."""
    for field, value in request.items():
        if value is not None:
            say(f"{field}: {in_words(value)}")
    say("history:")
    for each in history:
        reason = each.reason if reveal or not each.reason else mask_numbers(each.reason)
        at = each.at.isoformat(timespec="seconds") if each.at else "at an unknown time"
        say(f"  {at}  {each.status}" + (f": {reason}" if reason else ""))


def show_difference(
    before: Mapping[str, Any], after: Mapping[str, Any], changed: Sequence[str], *, reveal: bool
) -> None:
    """Yield each changed field, with its old and new value."""
    was, will_be = shown(before, reveal=reveal), shown(after, reveal=reveal)
    for field in changed:
        say(f"- {field}: {in_words(was.get(field))}")
        say(f"+ {field}: {in_words(will_be.get(field))}")


def _masked(field: str, value: Any) -> Any:
    if field in _TEXTS and value:
        return f"••• ({len(str(value))} characters)"
    if field in _PLAIN:
        return value
    if field == "phoneNumbers" and isinstance(value, list):
        return [_masked_number(each) for each in value]
    if isinstance(value, str):
        return mask_number(value) if field in _NUMBERS else mask_numbers(value)
    return value


def _masked_number(entry: Any) -> Any:
    return {name: mask_number(str(number)) for name, number in entry.items()} if isinstance(entry, dict) else entry
