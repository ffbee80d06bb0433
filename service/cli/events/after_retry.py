"""Results of retried events, and warnings of workers that would run them with old code."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path

import typer

from service.cli.connections import with_redis
from service.cli.events.bulk import events
from service.cli.output import say
from service.cli.rich_output import progress
from service.store.inbox.accept import PAGE, summaries
from service.store.inbox.records import EventRecord
from service.store.inbox.transfer import format_timestamp
from service.store.inbox.workers import WorkerInfo, read_workers, trouble_with_workers
from service.store.store import Store

LOOK_EVERY = 0.3
DEFERRED = ("waiting", "parked")


def warn_of_workers() -> None:
    """Warn of each worker that started before the file of its handlers changed."""
    for worker in with_redis(read_workers):
        changed = newest_change(worker.sign.source)
        if worker.state != "silent" and changed is not None and changed[1] > worker.sign.started_at:
            say(_in_words(worker, *changed), err=True)


def newest_change(source: str) -> tuple[Path, int] | None:
    """Return the file of these HANDLERS that changed last here, and when (ms). Nothing is imported.

    Return None where there is no such file.
    """
    top = source.partition(":")[0].partition(".")[0]
    spec = PathFinder.find_spec(top, [str(Path.cwd()), *sys.path])
    places = [Path(each) for each in (spec.submodule_search_locations or ())] if spec else []
    files = [file for place in places for file in place.rglob("*.py")]
    if spec is not None and spec.has_location and spec.origin:
        files.append(Path(spec.origin))
    newest = max(files, key=lambda file: file.stat().st_mtime, default=None)
    return None if newest is None else (newest, int(newest.stat().st_mtime * 1000))


def _in_words(worker: WorkerInfo, file: Path, changed: int) -> str:
    times = [format_timestamp(at)[11:19] for at in (worker.sign.started_at, changed)]
    return (
        f"warning: the worker {worker.sign.name} started at {times[0]}, before {file.name} changed at {times[1]} (UTC)."
        " It runs the old code. Restart it first."
    )


@dataclass
class Tally:
    """Results of retried events."""

    done: int = 0
    gone: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    deferred: Counter[str] = field(default_factory=Counter)
    dead_events: int = 0
    deferred_events: int = 0

    def add(self, record: EventRecord) -> None:
        """Count an event."""
        if record.state == "open":
            self.deferred_events += 1
            self.deferred.update(_causes(record, *DEFERRED))
        elif record.state == "dead":
            self.dead_events += 1
            self.dead.update(_causes(record, "dead"))
        else:
            self.done += 1


def wait_for_end(ids: Sequence[str]) -> None:
    """Wait until each event has ended or is deferred, then say what became of them.

    End the command with exit code 1 where one is dead again.
    """
    if trouble := with_redis(trouble_with_workers):
        say(f"warning: {trouble}", err=True)
    tally = with_redis(lambda store: _wait(store, ids))
    parts = [f"{tally.done:,} done"]
    parts += [f"{tally.dead_events:,} dead again ({_listed(tally.dead)})"] if tally.dead_events else []
    parts += [f"{tally.deferred_events:,} deferred ({_listed(tally.deferred)})"] if tally.deferred_events else []
    parts += [f"{tally.gone:,} forgotten meanwhile"] if tally.gone else []
    say(f"Of {events(len(ids))}: {', '.join(parts)}.")
    if tally.dead_events:
        raise typer.Exit(1)


async def _wait(store: Store, ids: Sequence[str]) -> Tally:
    tally, left = Tally(), list(ids)
    with progress("Waiting for their end", len(left)) as advance:
        while left:
            began = time.monotonic()
            still: list[str] = []
            for start in range(0, len(left), PAGE):
                page = left[start : start + PAGE]
                records = {each.id: each for each in await summaries(store, page)}
                still += [event_id for event_id in page if not _is_over(records.get(event_id), tally)]
            advance(len(left) - len(still))
            left = still
            await asyncio.sleep(max(LOOK_EVERY, time.monotonic() - began) if left else 0)
    return tally


def _is_over(record: EventRecord | None, tally: Tally) -> bool:
    """Count an event that has ended or is deferred, and return whether it is."""
    if record is None:
        tally.gone += 1
        return True
    unfinished = [each for each in record.handlers.values() if not each.ended]
    if record.state == "open" and (record.leased_until or not all(each.state in DEFERRED for each in unfinished)):
        return False
    tally.add(record)
    return True


def _causes(record: EventRecord, *states: str) -> Iterator[str]:
    for name, each in record.handlers.items():
        if each.state in states:
            yield f"{name}: {each.reason or each.state}"


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{cause}, {number:,}" for cause, number in counted.most_common(5))
