"""`ringback events export` and `import`."""

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Annotated

import typer

from service.cli.connections import with_redis
from service.cli.events.bulk import events
from service.cli.events.event_list import OddRecords
from service.cli.events.filters import selects_events
from service.cli.on_record import put_on_record
from service.cli.options import YesOption
from service.cli.output import confirm, say, say_json_text
from service.cli.rich_output import progress
from service.security.anonymize import Anonymizer
from service.settings import load
from service.store.inbox import transfer
from service.store.inbox.accept import find_all
from service.store.inbox.search import EventFilter, matching
from service.store.inbox.transfer import STEP, ImportedEvent, UnfitLine, read_line, to_line
from service.store.store import Store

STDIN = Path("-")
RawOption = Annotated[bool, typer.Option("--raw", help="With whole numbers, texts and errors.")]


@selects_events
def export_events(*, selection: EventFilter, raw: RawOption = False) -> None:
    """Print events as JSON lines, the newest first, for `ringback events import`.

    Each number becomes one of country code 999, which nobody has: within one export the same for the same. Texts become
    as many letters x. With --raw nothing is replaced: keep such a file as you keep the messages themselves.

    Exit codes: 0 exported, 1 an event cannot be written (it is named) or Redis is unreachable, 2 bad usage.
    """
    disguise = None if raw else Anonymizer()
    if raw:
        put_on_record()
    with_redis(lambda store: _export(store, selection, disguise))


async def _export(store: Store, selection: EventFilter, disguise: Anonymizer | None) -> None:
    odd, seen = OddRecords(), set[str]()
    with progress("Exporting", None) as advance:
        async for page in matching(store, selection):
            fresh = [event_id for event_id in page if event_id not in seen]
            seen.update(fresh)
            for start in range(0, len(fresh), STEP):
                records = await find_all(store, fresh[start : start + STEP])
                say_json_text(b"".join(odd.each(records, lambda record: to_line(record, disguise), lambda *_: b"")))
                advance(len(records))
    odd.end()


def import_events(
    *,
    file: Annotated[
        Path, typer.Argument(help="The output of `ringback events export`, a pipe, or - for standard input.")
    ],
    run_them: Annotated[bool, typer.Option("--run", help="Process them here.")] = False,
    yes_send: Annotated[bool, typer.Option("--yes-send", help="Let --run send again what was sent elsewhere.")] = False,
    yes: YesOption = False,
) -> None:
    """Store exported events as they ended, so that they can be looked at. Known events stay unchanged.

    With --run the handlers here process them, in a ledger that does not know what they sent elsewhere. That is refused
    without --yes-send or RINGBACK_DRY_RUN, which the workers must have too.

    Exit codes: 0 imported, 1 not confirmed or Redis is unreachable, 2 bad usage. 2 also for a line that is no
    event, and then nothing is stored.
    """
    settings = load()
    if run_them and not (settings.dry_run or yes_send):
        raise typer.BadParameter("--run may send again what was sent elsewhere: set RINGBACK_DRY_RUN or say --yes-send")
    with _opened(file) as lines:
        number = sum(1 for _ in _read(lines, settings.max_body))
        if run_them:
            confirm(f"Process {events(number)} here?", yes=yes)
        else:
            put_on_record(events=number)
        keep = settings.retention

        def found() -> Iterator[ImportedEvent]:
            lines.seek(0)
            return _read(lines, settings.max_body)

        if run_them:
            with_redis(lambda store: _keep_what_is_said(store, found(), keep))
        step = partial(transfer.import_events, run_them=run_them, keep=keep)
        answers = with_redis(lambda store: _import(partial(step, store), found(), number))
    say(f"imported: {events(answers['imported'])}.")
    if answers["known"]:
        say(f"Unchanged, since they are known: {events(answers['known'])}.", err=True)


async def _keep_what_is_said(store: Store, found: Iterator[ImportedEvent], keep: float) -> None:
    while some := list(islice(found, STEP)):
        await transfer.keep_what_is_said(store, some, keep=keep)


async def _import(
    step: Callable[[Sequence[ImportedEvent]], Awaitable[Sequence[str]]], found: Iterator[ImportedEvent], number: int
) -> Counter[str]:
    answers: Counter[str] = Counter()
    with progress("Importing", number) as advance:
        while some := list(islice(found, STEP)):
            answers.update(await step(some))
            advance(len(some))
    return answers


def _opened(file: Path) -> IO[bytes]:
    """Open a file that can be read twice. It is checked to its end before anything is stored."""
    try:
        if file == STDIN:
            return _copied(sys.stdin.buffer)
        opened = file.open("rb")
        if opened.seekable():
            return opened
        with opened:
            return _copied(opened)
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read ({error.strerror})") from None


def _copied(stream: IO[bytes]) -> IO[bytes]:
    """Return a copy of standard input or of a pipe, which can be read only once."""
    kept = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's `with` closes it
    shutil.copyfileobj(stream, kept)
    kept.seek(0)
    return kept


def _read(lines: IO[bytes], longest_body: int) -> Iterator[ImportedEvent]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield read_line(line, longest_body=longest_body)
        except UnfitLine as error:
            raise typer.BadParameter(f"line {number}: {error}, and nothing was stored") from None
