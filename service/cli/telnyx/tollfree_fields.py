"""Fields of toll-free verification requests, with numbers and texts masked unless they are to be shown."""

from collections.abc import Mapping
from typing import Any

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
    """Return a request by Telnyx's names, as it may be shown."""
    return {field: value if reveal else _masked(field, value) for field, value in request.items()}


def in_words(value: Any) -> str:
    """Return a value of a request in a line."""
    if value is None:
        return "unset"
    if isinstance(value, list):
        parts = (next(iter(each.values()), "") if isinstance(each, dict) else each for each in value)
        return ", ".join(map(str, parts))
    return str(value)


def _masked(field: str, value: Any) -> Any:
    if field in _TEXTS and value:
        return f"••• ({len(str(value))} characters)"
    if field in _PLAIN:
        return value
    if field == "phoneNumbers" and isinstance(value, list):
        return [{name: mask_number(str(number)) for name, number in each.items()} for each in value]
    if isinstance(value, str):
        return mask_number(value) if field in _NUMBERS else mask_numbers(value)
    return value
