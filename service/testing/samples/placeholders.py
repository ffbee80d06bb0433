"""Placeholders in the bodies, such as `@NUMBER` and `@NOW-2s`, and the values that take their place."""

import itertools
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from service import clock

_AREA_CODES = (
    202,
    206,
    212,
    213,
    214,
    215,
    216,
    301,
    303,
    305,
    310,
    312,
    313,
    314,
    317,
    323,
    402,
    404,
    407,
    408,
    410,
    412,
)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TIME = re.compile(r"@(NOW|UNIX)(?:([+-]\d+)([smhd]))?")
_NAME = re.compile(r"@(ID|UUID|NUMBER|DIGITS|MESSAGE|ORDER|REQUEST|BRAND|CAMPAIGN)\b")


_turns = itertools.count(secrets.randbelow(100 * len(_AREA_CODES)))


def fresh_number() -> str:
    """Return a number of the range that is reserved for fiction in the US (555-0100 to 555-0199).

    A process repeats none before it has used all 2200.
    """
    line, area = divmod(next(_turns), len(_AREA_CODES))
    return f"+1{_AREA_CODES[area]}55501{line % 100:02d}"


def _fresh_id() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True)
class Subject:
    """The person, the message and the registrations that the events of a sequence are about."""

    number: str = field(default_factory=fresh_number)
    message: str = field(default_factory=_fresh_id)
    order: str = field(default_factory=_fresh_id)
    request: str = field(default_factory=_fresh_id)
    brand: str = field(default_factory=_fresh_id)
    campaign: str = field(default_factory=_fresh_id)


def fill(value: Any, subject: Subject, *, at: float | None = None) -> Any:
    """Return a value with its placeholders filled in. `at` is the current time in seconds since 1970.

    `@ID` is fresh once per call, `@UUID` each time. `@NULL` is None, which TOML lacks.
    """
    now = clock.now() if at is None else at
    names = {name.upper(): known for name, known in vars(subject).items()}
    return _filled(value, {**names, "DIGITS": subject.number.removeprefix("+"), "ID": _fresh_id()}, now)


def _filled(value: Any, names: Mapping[str, str], now: float) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, names, now) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, names, now) for each in value]
    if not isinstance(value, str) or "@" not in value:
        return value
    if value == "@NULL":
        return None
    if (time := _TIME.fullmatch(value)) is not None:
        return _moment(time, now)
    return _NAME.sub(lambda match: names[match[1]] if match[1] != "UUID" else _fresh_id(), value)


def _moment(time: re.Match[str], now: float) -> str | int:
    seconds = now + int(time[2]) * _SECONDS[time[3]] if time[2] else now
    return int(seconds) if time[1] == "UNIX" else datetime.fromtimestamp(seconds, UTC).isoformat()
