"""`ringback trigger`."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import typer
from nacl.signing import SigningKey

from service.cli.events.follow import follow_to_the_end
from service.cli.events.trigger_list import list_samples
from service.cli.events.trigger_options import (
    ChaosOption,
    CountOption,
    EventArgument,
    FileOption,
    FollowOption,
    ListOption,
    NumberOption,
    RateOption,
    RemoveOption,
    ScenarioArgument,
    SetOption,
    ToOption,
)
from service.cli.events.trigger_plan import (
    Planned,
    bodies_of,
    read_edits,
    read_faults,
    read_file,
    steps_of,
    with_faults,
)
from service.cli.options import JsonOption
from service.cli.output import fail, say, say_json
from service.cli.rich_output import print_table, progress
from service.cli.signed_delivery import deliver, local_webhooks
from service.events import read_envelope
from service.security.masked_urls import without_secrets
from service.security.masking import printable
from service.settings import Settings, load
from service.settings.development_key import known_key

SHOWN = 20
"""Deliveries up to which each has a line of its own."""


@dataclass(frozen=True)
class Delivered:
    """One delivery and its answer."""

    planned: Planned
    event_id: str
    status: int
    answer: str

    @property
    def is_expected(self) -> bool:
        """Whether the answer is the one that a Ringback gives."""
        return self.status == self.planned.expected

    def as_object(self) -> dict[str, Any]:
        """Return it for machines."""
        told = {"sample": self.planned.name, "event_id": self.event_id, "chaos": self.planned.fault or None}
        return {**told, "status": self.status, "answer": self.answer, "expected": self.planned.expected}


def trigger(
    event: EventArgument = None,
    scenario: ScenarioArgument = None,
    *,
    listed: ListOption = False,
    file: FileOption = None,
    values: SetOption = None,
    removed: RemoveOption = None,
    number: NumberOption = None,
    to: ToOption = None,
    count: CountOption = 1,
    rate: RateOption = None,
    chaos: ChaosOption = "",
    follow: FollowOption = False,
    as_json: JsonOption = False,
) -> None:
    """Deliver signed sample events to the Ringback that `ringback up --dev` runs here.

    Prints the answer, the event's id, and the command that shows it. A scenario is a sequence of events. Faults of
    --chaos come on top of the events, and change none of their results.

    Exit codes: 0 all answers are as expected, 2 bad usage or no development key. 1 is another answer, no answer, or
    with --follow a dead event.
    """
    if listed:
        list_samples(event or "", as_json=as_json)
        return
    faults, edits, settings = read_faults(chaos), read_edits(values or (), removed or ()), load()
    url, late = _url(to, settings), "late" in faults
    if file is not None:
        if event is not None or late:
            raise typer.BadParameter("a file has no sample's name, and no times to change: leave out EVENT and late")
        events = [read_file(file, edits)] * count
    else:
        steps = steps_of(event, scenario)
        events = [each for _ in range(count) for each in bodies_of(steps, edits, url=url, number=number, late=late)]
    planned = with_faults(events, faults, pause=1 / rate if rate else 0.0)
    results = _deliver_all(planned, url, known_key(settings), as_json=as_json)
    if not _went_well(results, follow=follow, as_json=as_json):
        raise typer.Exit(1)


def _went_well(results: Sequence[Delivered], *, follow: bool, as_json: bool) -> bool:
    """Return whether all answers are as expected. `follow` waits for the ends of the events, and none may be dead."""
    accepted = list(dict.fromkeys(each.event_id for each in results if each.status == 200))
    ended_well = follow_to_the_end(accepted, as_json=as_json) if follow and accepted else True
    return ended_well and all(each.is_expected for each in results)


def _url(to: str | None, settings: Settings) -> str:
    if to is None:
        return local_webhooks(settings)
    try:
        parts = urlsplit(to)
        # A port that is none raises too.
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or printable(to) != to or " " in to:
        raise typer.BadParameter("give a URL such as http://127.0.0.1:8080/webhooks", param_hint="--to")
    return to


def _deliver_all(planned: Sequence[Planned], url: str, key: SigningKey, *, as_json: bool) -> list[Delivered]:
    """Deliver in order, and print each answer, or their counts where they are many."""
    results, due, stranger = [], time.monotonic(), SigningKey.generate()
    many = len(planned) > SHOWN and not as_json
    with progress("Delivering", len(planned)) as advance:
        for each in planned:
            due = max(due + each.pause, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
            results.append(_deliver(each, url, stranger if each.fault == "badsig" else key))
            advance(1)
            if as_json:
                say_json(results[-1].as_object(), indent=False)
            elif not many:
                _print(results[-1])
    if many:
        _print_counts(results)
    return results


def _deliver(planned: Planned, url: str, key: SigningKey) -> Delivered:
    try:
        status, answer = deliver(url, planned.body, key, age=planned.age)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
        fail(f"nobody answers at {without_secrets(url)} ({reason}): start `ringback up --dev`")
    raw = json.dumps(planned.body).encode()
    return Delivered(planned, read_envelope(raw).identity, status, answer)


def _print(result: Delivered) -> None:
    fault = f"  ({result.planned.fault})" if result.planned.fault else ""
    odd = "" if result.is_expected else f"  expected {result.planned.expected}"
    say(f"{result.status} {result.answer}  {result.planned.name}{fault}{odd}")
    if result.status == 200 and not result.planned.fault:
        say(f"ringback events show {result.event_id}")


def _print_counts(results: Sequence[Delivered]) -> None:
    counts = Counter((each.status, each.answer, each.planned.fault) for each in results)
    rows = [(str(number), str(status), answer, fault) for (status, answer, fault), number in counts.most_common()]
    print_table(("deliveries", "status", "answer", "chaos"), rows)
    if last := next((each.event_id for each in reversed(results) if each.status == 200), None):
        say("", f"the last one: ringback events show {last}")
