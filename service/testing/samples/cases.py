"""Named cases: sample bodies with changes, and sequences of them. The data are the TOML and JSON files beside this."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from service.testing.samples.edits import remove_field, set_field
from service.testing.samples.placeholders import Subject, fill

Body = dict[str, Any]

_HERE = files(__package__)


@dataclass(frozen=True)
class SampleCase:
    """One event that Telnyx may send. `fails` marks a failure, or work for a person."""

    name: str
    about: str
    body: str
    fails: bool = False
    set: Mapping[str, Any] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One event of a scenario, `pause` seconds after the one before."""

    case: str
    pause: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """A sequence of events about the same person, message and registrations."""

    name: str
    about: str
    steps: tuple[Step, ...]


class UnknownSample(ValueError):
    """No case has this name. The text names the nearest ones."""


@cache
def cases() -> Mapping[str, SampleCase]:
    """Return all cases by name, family by family."""
    found = {}
    for file in sorted((_HERE / "cases").iterdir(), key=lambda each: each.name):
        for name, told in tomllib.loads(file.read_text("utf-8")).items():
            found[name] = SampleCase(name, **{**told, "remove": tuple(told.get("remove", ()))})
    return found


@cache
def scenarios() -> Mapping[str, Scenario]:
    """Return all scenarios by name."""
    table = tomllib.loads((_HERE / "scenarios.toml").read_text("utf-8"))
    return {
        name: Scenario(name, told["about"], tuple(Step(each["case"], each.get("after", 0.0)) for each in told["steps"]))
        for name, told in table.items()
    }


def sample(
    name: str,
    *,
    number: str | None = None,
    subject: Subject | None = None,
    at: float | None = None,
    set: Mapping[str, Any] | None = None,  # noqa: A002 - the option of `ringback trigger` has this name
    remove: Iterable[str] = (),
) -> Body:
    """Return the body of a case, with fresh ids, the current time and a fresh number unless one is given.

    `subject` makes several events be about the same message. `at` is the time in seconds since 1970. `set` and
    `remove` change fields by their path, such as `data.payload.to.0.status`.

    Raises:
        UnknownSample: no case has this name.
        service.testing.samples.edits.NoSuchField: a path leads nowhere.
    """
    case = _known(name)
    body = read_body(case.body)
    _edit(body, case.set, case.remove)
    about = subject or (Subject() if number is None else Subject(number=number))
    filled: Body = fill(body, about, at=at)
    _edit(filled, set or {}, remove)
    return filled


def payload_in(body: Body) -> Body:
    """Return the payload in a body. A flat body is its own payload."""
    inner = body.get("data", body)
    return dict(inner.get("payload", inner))


def names_like(name: str) -> str:
    """Return the nearest names of cases and scenarios as a hint, which may be empty."""
    near = get_close_matches(name, [*cases(), *scenarios()], n=3, cutoff=0.5)
    return f": is {' or '.join(near)} meant?" if near else ""


def read_body(name: str) -> Body:
    """Return the JSON of a file in `bodies`, with its placeholders."""
    body: Body = json.loads((_HERE / "bodies" / f"{name}.json").read_text("utf-8"))
    return body


def body_names() -> list[str]:
    """Return the names of the files in `bodies`."""
    return sorted(re.sub(r"\.json$", "", each.name) for each in _HERE.joinpath("bodies").iterdir())


def family(name: str) -> str:
    """Return the first part of a name, such as `rcs`."""
    return name.partition(".")[0]


def families() -> Iterator[str]:
    """Yield the families of cases in order."""
    yield from dict.fromkeys(map(family, cases()))


def _known(name: str) -> SampleCase:
    if name not in cases():
        raise UnknownSample(f"there is no sample {name!r}{names_like(name)}")
    return cases()[name]


def _edit(body: Body, values: Mapping[str, Any], removed: Iterable[str]) -> None:
    for path, value in values.items():
        set_field(body, path, value)
    for path in removed:
        remove_field(body, path)
