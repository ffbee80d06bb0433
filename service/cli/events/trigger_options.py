"""The arguments and options of `ringback trigger`, with their completion by the shell."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Annotated

import typer

from service.cli.events.trigger_plan import CHAOS
from service.cli.options import e164
from service.testing.samples import cases, scenarios


def complete_events(incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield the names of samples and scenarios that begin so, each with its line."""
    return chain(complete_samples(incomplete), complete_scenarios(incomplete))


def complete_samples(incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield the names of samples that begin so, each with its line."""
    return _beginning({each.name: each.about for each in cases().values()}, incomplete)


def complete_scenarios(incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield the names of scenarios that begin so, each with its line."""
    return _beginning({each.name: each.about for each in scenarios().values()}, incomplete)


def complete_faults(incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield the lists of faults that go on from a list which was begun."""
    begun, comma, last = incomplete.rpartition(",")
    others = {name: what for name, what in CHAOS.items() if name not in begun.split(",")}
    return ((f"{begun}{comma}{name}", what) for name, what in _beginning(others, last))


def _beginning(named: Mapping[str, str], incomplete: str) -> Iterator[tuple[str, str]]:
    return ((name, about) for name, about in named.items() if name.startswith(incomplete))


EventArgument = Annotated[
    str | None, typer.Argument(help="A sample or a scenario. Or the word scenario.", autocompletion=complete_events)
]
ScenarioArgument = Annotated[
    str | None, typer.Argument(help="The scenario's name after that word.", autocompletion=complete_scenarios)
]
ListOption = Annotated[bool, typer.Option("--list", help="List samples and scenarios, with EVENT those that begin so.")]
FileOption = Annotated[
    typer.FileBinaryRead | None, typer.Option(help="Deliver this body. - is standard input.", metavar="FILE")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set a field, to JSON or a text: data.payload.text=Hi.", metavar="PATH=VALUE"),
]
RemoveOption = Annotated[list[str] | None, typer.Option("--remove", help="Remove a field.", metavar="PATH")]
NumberOption = Annotated[
    str | None, typer.Option(help="The number that it is about, instead of a fresh one.", parser=e164, metavar="NUMBER")
]
ToOption = Annotated[str | None, typer.Option(help="Deliver to this URL.", metavar="URL")]
CountOption = Annotated[int, typer.Option(help="How many times, each with a fresh number and id.", min=1)]
RateOption = Annotated[float | None, typer.Option(help="Events per second at most.", min=0.001)]
ChaosOption = Annotated[
    str,
    typer.Option(
        help=f"Faults with commas between them: {', '.join(CHAOS)}.", metavar="FAULTS", autocompletion=complete_faults
    ),
]
FollowOption = Annotated[bool, typer.Option("--follow", help="Show the timeline until every event has ended.")]
