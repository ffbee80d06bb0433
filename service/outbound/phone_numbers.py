"""Where in the world a phone number may be, by the numbering plans (library `phonenumbers`)."""

from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType, timezone

_UNKNOWN = frozenset({"Etc/Unknown"})
_REMEMBERED = 10_000
_NORTH_AMERICA, _MEXICO = 1, 52
_PREFIXES = "08"
"""The prefixes of national calls. Which of them a number may have, its own plan knows."""


@lru_cache(_REMEMBERED)
def country_of(number: str) -> str | None:
    """Return the country (ISO 3166, two letters) of a number in +E.164 form, or None where it has none.

    A number that nobody can have belongs to the main country of its calling code.
    """
    parsed = _parsed(number)
    if parsed is None or parsed.country_code is None:
        return None
    region = phonenumbers.region_code_for_number(parsed) or phonenumbers.region_code_for_country_code(
        parsed.country_code
    )
    return region if region in phonenumbers.SUPPORTED_REGIONS else None


@lru_cache(_REMEMBERED)
def one_spelling(number: str) -> str:
    """Return the number without what some write between country code and number, as the 0 in +44 0171."""
    parsed = _parsed(number)
    if parsed is None:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(_REMEMBERED)
def spellings_of(number: str) -> tuple[str, ...]:
    """Return a number in the given spelling, its one spelling and others. Consent may be known under each.

    Others have the prefix of national calls behind the country code, as in +44 0171. Mexican ones have the 1 of old
    mobile numbers, which WhatsApp's ids keep.
    """
    usual, parsed = one_spelling(number), _parsed(number)
    if parsed is None or parsed.country_code == _NORTH_AMERICA:
        return tuple(dict.fromkeys((number, usual)))
    beginning = f"+{parsed.country_code}"
    rest = usual.removeprefix(beginning)
    others = [each for prefix in _PREFIXES if one_spelling(each := beginning + prefix + rest) == usual]
    if parsed.country_code == _MEXICO and len(rest) in (10, 11):
        others.append(beginning + (rest[1:] if len(rest) == 11 and rest[0] == "1" else "1" + rest))
    return tuple(dict.fromkeys((number, usual, *others)))


def is_toll_free(number: str) -> bool:
    """Return whether a number in +E.164 form is toll-free, by its numbering plan."""
    parsed = _parsed(number)
    return parsed is not None and phonenumbers.number_type(parsed) == PhoneNumberType.TOLL_FREE


@lru_cache(_REMEMBERED)
def time_zones_of(number: str) -> tuple[ZoneInfo, ...]:
    """Return every time zone that a number may lie in: none where that is not known at all.

    A number that is not bound to a place, such as an Australian mobile, may lie anywhere in its country. The number
    does not show whether its owner has moved or travels.
    """
    parsed = _parsed(number)
    if parsed is None:
        return ()
    # Of numbers that nobody can have (yet) the first knows nothing, and the second what their first digits say.
    names = set(timezone.time_zones_for_number(parsed)) - _UNKNOWN or set(
        timezone.time_zones_for_geographical_number(parsed)
    )
    return tuple(ZoneInfo(name) for name in sorted(names - _UNKNOWN))


def _parsed(number: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
