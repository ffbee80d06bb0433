"""The filter of a list of events, in a URL or a form."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import get_args

from service import clock
from service.dashboard.number_token import number_of
from service.dashboard.rendering import utc
from service.dashboard.visit import Visit
from service.security.numbers import digests_of
from service.settings.values import seconds
from service.store.inbox.accept import message_digests
from service.store.inbox.records import EventState
from service.store.inbox.search import EventFilter
from service.store.operators.sessions import number_secret

FIELDS = ("state", "type", "handler", "reason", "message", "attempts", "since", "number", "issue", "crons")
_NAME = re.compile(r"[\x20-\x7e]{1,128}")
_CHECKS: dict[str, tuple[Callable[[str], bool], str]] = {
    "state": (lambda text: text in get_args(EventState), f"give one of {', '.join(get_args(EventState))}"),
    "since": (lambda text: _since(text) is not None, "give a duration such as 15m, 2h or 7d"),
    "attempts": (lambda text: text.isdecimal() and 0 < int(text) <= 1000, "give a number from 1 to 1000"),
    "issue": (lambda text: re.fullmatch("[0-9a-f]{16}", text) is not None, "this is no issue"),
}


@dataclass(frozen=True, slots=True)
class UrlFilter:
    """A filter, or in `wrong` why there is none. `number` is the number that a token in the URL stands for."""

    wanted: EventFilter
    given: dict[str, str]
    wrong: str = ""
    number: str | None = None

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves out more than periodic events."""
        return any(name != "crons" for name in self.given)


async def filter_of(visit: Visit, fields: Mapping[str, str]) -> UrlFilter:
    """Return the filter in the parameters of a URL or in the fields of a form."""
    given = {name: text for name in FIELDS if (text := fields.get(name, "").strip())}
    number = number_of(given["number"], await number_secret(visit.store)) if "number" in given else None
    if wrong := _wrong(given) or ("number: enter the number once more." if "number" in given and not number else ""):
        return UrlFilter(EventFilter(), given, wrong)
    sealer, attempts = visit.store.encryption, given.get("attempts")
    wanted = EventFilter(
        state=given.get("state"),
        type=given.get("type"),
        handler=given.get("handler"),
        because=given.get("reason"),
        about=None if number is None else digests_of(number, sealer),
        message=message_digests(given["message"], sealer) if "message" in given else None,
        attempts=None if attempts is None else int(attempts),
        since=_since(given.get("since", "")),
        without_crons="crons" not in given and "type" not in given,
    )
    return UrlFilter(wanted, given, number=number)


def _wrong(given: dict[str, str]) -> str:
    """Return the first parameter that cannot be taken, and why, or an empty text."""
    for name, text in given.items():
        check, how = _CHECKS.get(name, (lambda _: True, "give at most 128 plain characters"))
        if not _NAME.fullmatch(text) or not check(text):
            return f"{name}: {how}."
    return ""


def _since(text: str) -> int | None:
    try:
        at = clock.now() - seconds(text) if text else -1
    except ValueError:
        return None
    # Nobody can write a time that is long before 1970, and no event is so old.
    return int(at * 1000) if at >= 0 else None


def in_words(wanted: EventFilter) -> str:
    """Return a filter for people, such as `dead events of the handler ship, of the reason request`."""
    words = {
        "of the type": wanted.type,
        "of the handler": wanted.died or wanted.handler,
        "of the reason": wanted.reason or wanted.because,
        "that arrived after": None if wanted.since is None else f"{utc(wanted.since)} UTC",
        "with attempts of at least": wanted.attempts,
        "about": "one message" if wanted.message else "one number" if wanted.about else None,
    }
    found = [f"{name} {value}" for name, value in words.items() if value is not None]
    what = f"{wanted.state or 'all'} events"
    return " ".join([what, ", ".join(found)]) if found else what
