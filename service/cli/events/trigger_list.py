"""`ringback trigger --list`."""

import json
from typing import Any

import typer

from service.cli.events.trigger_plan import SCENARIO
from service.cli.output import say, say_json
from service.cli.rich_output import print_table
from service.events import read_envelope
from service.testing.samples import cases, sample, scenarios
from service.testing.samples.cases import names_like


def list_samples(beginning: str, *, as_json: bool) -> None:
    """Print the samples and scenarios whose names begin so.

    Raises:
        typer.BadParameter: none does.
    """
    beginning = "" if beginning == SCENARIO else beginning
    found = [each for each in cases().values() if each.name.startswith(beginning)]
    sequences = [each for each in scenarios().values() if each.name.startswith(beginning)]
    if not found and not sequences:
        raise typer.BadParameter(f"no sample's name begins with {beginning!r}{names_like(beginning)}")
    types = {each.name: read_envelope(json.dumps(sample(each.name)).encode()).type for each in found}
    if as_json:
        told: list[dict[str, Any]] = [
            {"name": each.name, "about": each.about, "type": types[each.name], "fails": each.fails} for each in found
        ]
        told += [
            {"name": each.name, "about": each.about, "steps": [step.case for step in each.steps]} for each in sequences
        ]
        say_json(told)
        return
    print_table(
        ("sample", "", "what it tells", "event type"),
        [(each.name, "fails" if each.fails else "", each.about, types[each.name]) for each in found],
    )
    if sequences:
        rows = [(each.name, each.about, " → ".join(step.case for step in each.steps)) for each in sequences]
        say("")
        print_table(("scenario", "what happens", "events"), rows)
