"""Doing something to many events, in steps of a few milliseconds each, and saying what became of it."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

import typer

from service.cli.output import progress, say
from service.store.inbox.dead_letters import STEP

T = TypeVar("T")

WHY_NOT = {
    "not_dead": "not dead (any more)",
    "open": "still open: nothing to be replayed yet",
    "other": "no handler is dead for that",
    "gone": "there is no such event",
    "no_body": "its body has expired (RINGBACK_BODY_RETENTION), so it cannot be processed",
    "foreign": "no event but a job that was found in the queue: drop it when you have looked at it",
    "imported": "imported: its effects elsewhere are not known here; set RINGBACK_DRY_RUN, or say --yes-send",
    "cancelled": "it was cancelled",
    "in_doubt": (
        "whether an effect of it happened is not known: look at Telnyx, then say it with"
        " ringback dead retry ID --sent, or --not-sent"
    ),
}


async def in_batches(ids: Sequence[str], act: Callable[[Sequence[str]], Awaitable[Sequence[T]]], what: str) -> list[T]:
    """Hand ids to `act` in steps, with a progress bar on a terminal; the answers, one for each."""
    answers: list[T] = []
    with progress(what, len(ids)) as advance:
        for start in range(0, len(ids), STEP):
            done = await act(ids[start : start + STEP])
            answers += done
            advance(len(done))
    return answers


def report(verdicts: Sequence[str], did: str, ids: Sequence[str], *, named: bool) -> None:
    """Say of how many it was done, and of how many not and why; exit code 1 if a named one is among those."""
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
    """`1 event`, `1,234 events`."""
    return f"{number:,} event{'' if number == 1 else 's'}"


async def gathered(pages: AsyncIterator[list[str]]) -> list[str]:
    """All ids of some pages, each once."""
    ids: dict[str, None] = {}
    async for page in pages:
        ids |= dict.fromkeys(page)
    return list(ids)
