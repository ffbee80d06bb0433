"""Compare two answers to the same call by their shape: which fields there are, and which kinds of values."""

import re
from dataclasses import dataclass, field
from typing import Any

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}")

Shape = dict[str, set[str]]
"""The kinds of values at each place of an answer. `[]` stands for all rows of a list."""


@dataclass(frozen=True)
class Answer:
    """A status, and the body if it is JSON."""

    status: int
    body: Any


@dataclass(frozen=True)
class Finding:
    """The result of one call: `ok`, `differs`, `refused`, `failed` or `not compared`, and the places that differ."""

    call: str
    result: str
    differing: list[str] = field(default_factory=list)
    only_at_telnyx: list[str] = field(default_factory=list)
    only_simulated: list[str] = field(default_factory=list)

    @property
    def is_bad(self) -> bool:
        """Whether somebody has to look at it."""
        return self.result in {"differs", "failed"}


def compare(name: str, live: Answer | None, simulated: Answer | None) -> Finding:
    """Return how two answers to the same call differ. Without rows on either side nothing can be compared."""
    if live is None:
        return Finding(name, "not compared")
    if live.status in {402, 403, 404}:
        return Finding(name, "refused", [f"status {live.status}"])
    if live.status >= 400:
        return Finding(name, "failed", [f"status {live.status}"])
    if simulated is None or simulated.status >= 400:
        return Finding(name, "not compared")
    theirs, ours = shape(live.body), shape(simulated.body)
    differing = [
        f"{place or 'the whole'}: {_kinds(theirs[place])}, simulated {_kinds(ours[place])}"
        for place in sorted(theirs.keys() & ours.keys())
        if not _agree(theirs[place], ours[place])
    ]
    if live.status != simulated.status:
        differing.insert(0, f"status {live.status}, simulated {simulated.status}")
    only_theirs, only_ours = _only(theirs, ours), _only(ours, theirs)
    empty = not rows_of(live) or not rows_of(simulated)
    result = "differs" if differing else "not compared" if empty else "ok"
    return Finding(name, result, differing, only_theirs, only_ours)


def shape(value: Any, place: str = "") -> Shape:
    """Return the kinds of values at each place of an answer."""
    found: Shape = {place: {_kind(value)}}
    inner = [(f"{place}.{name}".lstrip("."), each) for name, each in value.items()] if isinstance(value, dict) else []
    inner += [(f"{place}[]", each) for each in value] if isinstance(value, list) else []
    for where, each in inner:
        for deeper, kinds in shape(each, where).items():
            found.setdefault(deeper, set()).update(kinds)
    return found


def rows_of(answer: Answer | None) -> list[dict[str, Any]]:
    """Return the rows of a list, or the one object of an answer."""
    body = answer.body if answer is not None else None
    if isinstance(body, dict):
        body = body.get("data", body.get("records", body.get("verification_records", body)))
    rows = body if isinstance(body, list) else [body]
    return [each for each in rows if isinstance(each, dict)]


def _kind(value: Any) -> str:
    for kind, name in ((bool, "boolean"), (int | float, "number"), (dict, "object"), (list, "list")):
        if isinstance(value, kind):
            return name
    if isinstance(value, str):
        return "time" if _TIME.match(value) else "string"
    return "null"


def _kinds(kinds: set[str]) -> str:
    return " or ".join(sorted(kinds))


def _agree(theirs: set[str], ours: set[str]) -> bool:
    """Return whether one answer can be of the kinds of the other. Null says nothing about a kind."""
    return not (theirs - {"null"}) or not (ours - {"null"}) or bool((theirs & ours) - {"null"})


def _only(one: Shape, other: Shape) -> list[str]:
    """Return the fields that only one answer has, where the other has the object that would hold them."""
    fields = (place for place in one if not place.endswith("[]"))
    return sorted(place for place in fields if place not in other and place.rpartition(".")[0] in other)
