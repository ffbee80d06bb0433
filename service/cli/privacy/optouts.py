"""`ringback optouts`."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from service import clock
from service.cli.connections import with_redis
from service.cli.masked_output import show_list
from service.cli.on_record import put_on_record
from service.cli.options import JsonOption, NumberArgument, RevealOption, YesOption, number_or_short_code
from service.cli.output import confirm, fail, say
from service.cli.rich_output import progress
from service.events import read_time
from service.events.consent import AHEAD, ConsentChange
from service.messages.spellings import opt_in, opt_in_time, opt_out
from service.outbound.phone_numbers import one_spelling
from service.security.masking import mask_number
from service.store.facts.consent import STEP, OptOut, opt_outs, record_consent, remove_opt_out
from service.store.inbox.transfer import format_timestamp
from service.store.store import Store

optouts = typer.Typer(help="List the numbers that are opted out, and change them.", no_args_is_help=True)


@optouts.command("list")
def list_opt_outs(*, as_json: JsonOption = False, reveal: RevealOption = False) -> None:
    """List the numbers that are opted out, the latest first, with the source of each opt-out.

    From a message (`message`), Telnyx's refusal (`40300`), Telnyx's own list (`telnyx_list`), a person (`operator`) or
    a file (`import`). Numbers are masked unless --reveal.

    Exit codes: 0 listed, 1 Redis is unreachable, 2 bad usage.
    """
    found = sorted(with_redis(_all), key=lambda opt_out: (-opt_out.since, opt_out.number))
    shown = [_shown(opt_out, reveal=reveal) for opt_out in found]
    columns, none = "number, since (UTC), known from", "No number is opted out."
    # The numbers are masked already.
    show_list(shown, columns, lambda each: tuple(each.values()), none, as_json=as_json, reveal=True)


@optouts.command()
def add(number: NumberArgument) -> None:
    """Opt a number out, and cancel messages that wait for it. Only `remove` lifts that, its START does not.

    Exit codes: 0 opted out, 1 Redis is unreachable, 2 the number cannot be read.
    """
    wanted = number_or_short_code(number)
    put_on_record()
    with_redis(lambda store: opt_out(store, wanted, at=clock.now()))
    say(f"{mask_number(wanted)} is opted out.")


@optouts.command()
def remove(number: NumberArgument, *, yes: YesOption = False) -> None:
    """Opt a number in again, as its own START would: only where the person has asked for it.

    Telnyx's own block, if there is one, stays until the person sends START.

    Takes each entry of `optouts list --reveal`, also one whose number cannot be read.

    Exit codes: 0 done, 1 not opted out, not confirmed, or Redis is unreachable, 2 it is no number.
    """
    unreadable = with_redis(lambda store: _unreadable(store, number))
    if unreadable is not None:
        confirm("Its number cannot be read. Forget this opt-out?", yes=yes)
        with_redis(lambda store: remove_opt_out(store, unreadable))
        say("The entry is removed.")
        return
    wanted, asked_at = number_or_short_code(number), clock.now()
    at = with_redis(lambda store: opt_in_time(store, wanted, asked_at))
    if at is None:
        fail(f"{mask_number(wanted)} is not opted out.")
    confirm(f"Has {mask_number(wanted)} asked to get messages again?", yes=yes)
    # The time is that of the question: earlier than a STOP that comes while it stands.
    if not with_redis(lambda store: opt_in(store, wanted, at=at)):
        fail(f"{mask_number(wanted)} was opted out once more meanwhile, and stays so.")
    say(f"{mask_number(wanted)} is opted in again.")


@optouts.command("import")
def import_opt_outs(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A number on each line, and after a comma its time.")],
) -> None:
    """Opt out every number in a file. If a line is invalid, nothing is changed.

    Each line holds a number and, if it is known, the time of its opt-out. Times are ISO 8601, in UTC unless they name
    a zone, and none lies in the future. Without a time, the opt-out is of now. A START does not lift it, only `optouts
    remove` does.

    Exit codes: 0 imported, 1 Redis is unreachable, 2 the file is invalid.
    """
    words = read_opt_out_file(file)
    put_on_record(opt_outs=len(words))
    news = with_redis(lambda store: _import(store, words))
    say(f"{len(words)} opt-outs read, {news} new.")


def _shown(opt_out: OptOut, *, reveal: bool) -> dict[str, Any]:
    return {
        "number": opt_out.number if reveal or opt_out.hidden else mask_number(opt_out.number),
        "since": f"{format_timestamp(round(opt_out.since * 1000))[:19]}Z",
        "source": opt_out.source,
    }


async def _unreadable(store: Store, shown: str) -> OptOut | None:
    """Return the opt-out that is listed as `shown`, if its number cannot be read."""
    return next((each for each in await _all(store) if each.number == shown and not each.readable), None)


async def _all(store: Store) -> list[OptOut]:
    return [opt_out async for opt_out in opt_outs(store)]


async def _import(store: Store, words: Sequence[ConsentChange]) -> int:
    news, now = 0, clock.now()
    with progress("Importing", len(words)) as advance:
        for start in range(0, len(words), STEP):
            step = words[start : start + STEP]
            news += await record_consent(store, step, now=now)
            advance(len(step))
    return news


def read_opt_out_file(path: Path) -> list[ConsentChange]:
    """Return the opt-outs in a file, without blank lines, `#` lines and a first line of column names.

    Where it cannot be read, or a line is invalid, end the command with exit code 2. No error quotes a number.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path}: cannot be read as UTF-8 text ({type(error).__name__})", code=2)
    words = [_word(path, place, line) for place, line in enumerate(lines, start=1) if _says_something(place, line)]
    if not words:
        fail(f"{path}: holds no number", code=2)
    return words


def _says_something(place: int, line: str) -> bool:
    text = line.strip()
    is_header = place == 1 and not any(character.isdigit() for character in text)
    return bool(text) and not text.startswith("#") and not is_header


def _word(path: Path, place: int, line: str) -> ConsentChange:
    number, *others = next(csv.reader([line]))
    when = others[0].strip() if others else ""
    try:
        opted_out = one_spelling(number_or_short_code(number))
    except typer.BadParameter as error:
        fail(f"{path}, line {place}, number: {error.message}", code=2)
    since = read_time(when) if when else None
    if when and since is None:
        fail(f"{path}, line {place}, time: give an ISO 8601 date, such as 2026-01-31T12:00:00Z, or none", code=2)
    if since is not None and since.timestamp() > clock.now() + AHEAD:
        # A removal would have to be later still, and so later than every STOP until then.
        fail(f"{path}, line {place}, time: lies in the future: correct it, name its zone, or leave it out", code=2)
    return ConsentChange(opted_out, "out", since.timestamp() if since else None, "import")
