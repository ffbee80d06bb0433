"""The deliveries of `ringback trigger`: bodies of samples or of a file, in their order, and faults on their way."""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import typer

from service import clock
from service.security.telnyx_signature import TOLERANCE
from service.testing.samples import Body, Subject, cases, sample, scenarios
from service.testing.samples.cases import Scenario, Step, names_like
from service.testing.samples.edits import NoSuchField, remove_field, set_field

CHAOS: Mapping[str, str] = {
    "dup": "each delivery comes twice, with the same bytes",
    "retry": "each event comes three times, as Telnyx delivers it again (meta.attempt 2 and 3)",
    "reorder": "the events come in reverse order",
    "late": "the events are two hours old when they come",
    "badsig": "before each delivery comes a copy that another key has signed: 401",
    "stale": "before each delivery comes a copy that was signed too long ago: 401",
}
"""The faults of --chaos."""
LATE_SECONDS = 7200
SCENARIO = "scenario"


@dataclass(frozen=True)
class Edits:
    """Changes to each body, by the paths of fields."""

    set: Mapping[str, Any] = field(default_factory=dict)
    remove: Sequence[str] = ()

    def apply(self, body: Body) -> Body:
        """Change a body, and return it.

        Raises:
            typer.BadParameter: a path leads nowhere.
        """
        try:
            for path, value in self.set.items():
                set_field(body, path, value)
            for path in self.remove:
                remove_field(body, path)
        except NoSuchField as error:
            raise typer.BadParameter(str(error), param_hint="--set, --remove") from None
        return body


@dataclass(frozen=True)
class Planned:
    """One delivery, `pause` seconds after the one before. `fault` is one of `CHAOS`, or empty."""

    name: str
    body: Body
    pause: float = 0.0
    fault: str = ""
    age: int = 0

    @property
    def expected(self) -> int:
        """The status with which a Ringback answers."""
        return 401 if self.fault in {"badsig", "stale"} else 200


def read_edits(assignments: Iterable[str], removed: Iterable[str]) -> Edits:
    """Read `path=value`. The value is JSON, or else a text.

    Raises:
        typer.BadParameter: there is no `=`.
    """
    values = {}
    for each in assignments:
        path, found, text = each.partition("=")
        if not found:
            raise typer.BadParameter("give path=value, such as data.payload.text=STOP", param_hint="--set")
        values[path] = _value(text)
    return Edits(values, tuple(removed))


def read_faults(text: str) -> frozenset[str]:
    """Read the names of faults between commas.

    Raises:
        typer.BadParameter: one is unknown.
    """
    found = frozenset(filter(None, map(str.strip, text.split(","))))
    if unknown := sorted(found - CHAOS.keys()):
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(CHAOS)}", param_hint="--chaos")
    return found


def steps_of(event: str | None, scenario: str | None) -> Scenario:
    """Return the steps that the arguments name. A case is a scenario of one step.

    Raises:
        typer.BadParameter: there is no such case or scenario.
    """
    if event == SCENARIO:
        event = scenario
        if event not in scenarios():
            raise typer.BadParameter(f"name a scenario: {', '.join(scenarios())}", param_hint="SCENARIO")
    elif scenario is not None:
        raise typer.BadParameter("name one event, or `scenario` and its name")
    if event is None:
        raise typer.BadParameter("name an event (`ringback trigger --list` shows all), or give --file")
    if event in scenarios():
        return scenarios()[event]
    if event not in cases():
        raise typer.BadParameter(f"there is no sample {event!r}{names_like(event)} (--list shows all)")
    return Scenario(event, cases()[event].about, (Step(event),))


def bodies_of(scenario: Scenario, edits: Edits, *, url: str, number: str | None, late: bool) -> Iterator[Planned]:
    """Yield the deliveries of a scenario to a URL, which are about the same person and message."""
    subject = Subject() if number is None else Subject(number=number)
    at = clock.now() - LATE_SECONDS if late else None
    for step in scenario.steps:
        body = sample(step.case, subject=subject, at=at)
        if "delivered_to" in body.get("meta", {}):
            # As at Telnyx. Another URL would have Ringback look for a misdirected agent.
            body["meta"]["delivered_to"] = url
        yield Planned(step.case, edits.apply(body), step.pause)


def read_file(file: IO[bytes], edits: Edits) -> Planned:
    """Return the delivery of the body in a file.

    Raises:
        typer.BadParameter: it holds no JSON object.
    """
    try:
        body = json.loads(file.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise typer.BadParameter("it must hold a JSON object", param_hint="--file")
    return Planned(getattr(file, "name", "<stdin>"), edits.apply(body))


def with_faults(events: Sequence[Planned], faults: frozenset[str], *, pause: float) -> list[Planned]:
    """Return the deliveries of events with faults, at least `pause` seconds apart.

    Raises:
        typer.BadParameter: a single event cannot be reordered.
    """
    if "reorder" in faults:
        if len(events) < 2:
            raise typer.BadParameter("reorder needs several events: give --count or a scenario", param_hint="--chaos")
        events = [Planned(each.name, each.body, at.pause) for each, at in zip(reversed(events), events, strict=True)]
    planned = []
    for position, event in enumerate(events):
        first, *others = _deliveries(event, faults)
        wait = max(event.pause, pause) if position else 0.0
        planned += [Planned(first.name, first.body, wait, first.fault, first.age), *others]
    return planned


def _deliveries(event: Planned, faults: frozenset[str]) -> Iterator[Planned]:
    if "badsig" in faults:
        yield Planned(event.name, event.body, fault="badsig")
    if "stale" in faults:
        yield Planned(event.name, event.body, fault="stale", age=TOLERANCE + 1)
    yield Planned(event.name, event.body)
    if "dup" in faults:
        yield Planned(event.name, event.body, fault="dup")
    for attempt in (2, 3) if "retry" in faults else ():
        again = copy.deepcopy(event.body)
        again["meta"] = {**again.get("meta", {}), "attempt": attempt}
        yield Planned(event.name, again, fault="retry")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
