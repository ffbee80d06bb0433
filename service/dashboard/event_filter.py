"""The filter of a list of events in the URL."""

import re
from dataclasses import dataclass
from typing import get_args

from service import clock
from service.dashboard.number_token import number_of
from service.dashboard.visit import Visit
from service.security.numbers import digests_of
from service.settings.values import seconds
from service.store.inbox.records import EventState
from service.store.inbox.search import EventFilter
from service.store.operators.sessions import number_secret

FIELDS = ("state", "type", "handler", "reason", "number", "since")
_NAME = re.compile(r"[\x20-\x7e]{1,128}")
_WRONG = {
    "state": f"no state is named so: give {', '.join(get_args(EventState))}",
    "since": "give a duration such as 15m, 2h or 7d",
    "number": "this number cannot be found: enter it once more",
}


@dataclass(frozen=True, slots=True)
class UrlFilter:
    """A filter, or in `wrong` why there is none. `number` is the number that a token in the URL stands for."""

    wanted: EventFilter
    given: dict[str, str]
    wrong: str = ""
    number: str | None = None


async def filter_of(visit: Visit) -> UrlFilter:
    """Return the filter in the URL of a request."""
    given = {name: text for name in FIELDS if (text := visit.query(name))}
    wrong = [name for name, text in given.items() if not _NAME.fullmatch(text)]
    number = number_of(given["number"], await number_secret(visit.store)) if "number" in given else None
    since = _since(given.get("since", ""))
    wrong += ["state"] * ("state" in given and given["state"] not in get_args(EventState))
    wrong += ["number"] * ("number" in given and number is None) + ["since"] * ("since" in given and since is None)
    if wrong:
        return UrlFilter(EventFilter(), given, f"{wrong[0]}: {_WRONG.get(wrong[0], 'no such name is possible')}.")
    about = None if number is None else digests_of(number, visit.store.encryption)
    wanted = EventFilter(
        state=given.get("state"),
        type=given.get("type"),
        handler=given.get("handler"),
        reason=given.get("reason"),
        about=about,
        since=since,
    )
    return UrlFilter(wanted, given, number=number)


def _since(text: str) -> int | None:
    try:
        return int((clock.now() - seconds(text)) * 1000) if text else None
    except ValueError:
        return None
