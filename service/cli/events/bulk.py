"""Commands on many events, in batches of a few milliseconds each, and their results."""

import tomllib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import TypeVar

import typer

from service.cli.output import progress, say
from service.store.inbox.dead_letters import STEP

T = TypeVar("T")

WHY_NOT: dict[str, str] = tomllib.loads((files(__package__) / "why_not.toml").read_text("utf-8"))


async def in_batches(ids: Sequence[str], act: Callable[[Sequence[str]], Awaitable[Sequence[T]]], doing: str) -> list[T]:
    """Return the answers of `act`, one for each id. It gets the ids in batches."""
    answers: list[T] = []
    with progress(doing, len(ids)) as advance:
        for start in range(0, len(ids), STEP):
            done = await act(ids[start : start + STEP])
            answers += done
            advance(len(done))
    return answers


def report(verdicts: Sequence[str], did: str, ids: Sequence[str], *, named: bool) -> None:
    """Say how many events were changed, and how many not and why. End with exit code 1 if a named one was not."""
    counts = Counter(verdicts)
    say(f"{did}: {events(counts.pop(did, 0))}.")
    if named:
        for event_id, verdict in zip(ids, verdicts, strict=True):
            if verdict != did:
                say(f"{event_id}: {WHY_NOT[verdict].replace(' ID ', f' {event_id} ')}", err=True)
    else:
        for verdict, count in counts.items():
            say(f"Unchanged: {events(count)} ({WHY_NOT[verdict]}).", err=True)
    if named and counts:
        raise typer.Exit(1)


def events(number: int) -> str:
    """Return `1 event` or `1,234 events`."""
    return f"{number:,} event{'' if number == 1 else 's'}"
