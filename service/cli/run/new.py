"""`ringback new`."""

import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from service.cli.options import number_or_short_code
from service.cli.output import BAD_USAGE, ask, ask_secret, ask_whether, fail, say
from service.cli.run.new_project import Handlers, Wanted, in_the_way, missing_lines, write
from service.processes.disk_space import describe_failed_write
from service.settings import values

QUESTIONS = {
    Handlers.AUTO_REPLY: "Answer inbound messages?",
    Handlers.CRM_NOTE: "Note inbound messages in another system, such as a CRM?",
    Handlers.TOLL_FREE_NEWS: "Notify you of each step of a toll-free verification?",
}


def sender(text: str) -> str:
    """Return a sender as Telnyx takes it. Empty is none.

    Raises:
        typer.BadParameter: it is no number in international form, no short code, and not the word profile.
    """
    given = text.strip()
    return given if given in ("", "profile") else number_or_short_code(given)


FolderArgument = Annotated[Path, typer.Argument(help="Where to write. A new folder is made.")]
HandlerOption = Annotated[list[Handlers] | None, typer.Option(help="Write this handler. Give it several times.")]
NoHandlersOption = Annotated[bool, typer.Option("--no-handlers", help="Write none: the built-in ones are enough.")]
PolicyOption = Annotated[
    bool | None, typer.Option("--policy/--no-policy", help="Write policy.toml: quiet hours of the SMS fallback.")
]
ComposeOption = Annotated[
    bool | None, typer.Option("--compose/--no-compose", help="Write compose.yaml: containers with a Valkey.")
]
SenderOption = Annotated[
    str | None,
    typer.Option(metavar="NUMBER", parser=sender, help="The number that sends the SMS fallback, or profile."),
]


def new(
    folder: FolderArgument = Path(),
    *,
    handler: HandlerOption = None,
    no_handlers: NoHandlersOption = False,
    policy: PolicyOption = None,
    compose: ComposeOption = None,
    sms_from: SenderOption = None,
) -> None:
    """Write handlers, a test of them and a .env into a folder, this one by default. Existing files stay.

    On a terminal it asks for what no option says, and for the keys of your account. Elsewhere it writes `auto_reply`,
    and neither a policy nor a compose file, unless an option says so.

    Exit codes: 0 written, 1 there are handlers already, or the folder cannot be written to.
    """
    if handler and no_handlers:
        fail("give either --handler or --no-handlers", code=BAD_USAGE)
    handlers = () if no_handlers else tuple(dict.fromkeys(handler or Wanted.handlers))
    wanted = Wanted(handlers=handlers, policy=bool(policy), compose=bool(compose), sms_from=sms_from or "")
    _refuse_to_replace(folder, wanted)
    if sys.stdin.isatty() and sys.stdout.isatty():
        is_open = {"handlers": not (handler or no_handlers), "sms_from": sms_from is None}
        is_open |= {"policy": policy is None, "compose": compose is None}
        wanted = _asked(wanted, is_open, has_env_file=os.path.lexists(folder / ".env"))
        _refuse_to_replace(folder, wanted)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in wanted.files:
            _write(folder, name, wanted)
    except OSError as error:
        why = describe_failed_write(error, "run `ringback new` in another folder")
        fail(f"{folder.absolute()} cannot be written to: {why}")
    _say_what_is_next(folder, wanted)


def _asked(wanted: Wanted, is_open: dict[str, bool], *, has_env_file: bool) -> Wanted:
    """Ask a person for each choice that no option made."""
    if is_open["handlers"]:
        chosen = [each for each, question in QUESTIONS.items() if ask_whether(question, each in wanted.handlers)]
        wanted = replace(wanted, handlers=tuple(chosen))
    if is_open["sms_from"]:
        wanted = replace(
            wanted, sms_from=ask("A number of yours that sends an SMS where RCS fails (empty: none)", sender)
        )
    if is_open["policy"] and wanted.sms_from:
        wanted = replace(wanted, policy=ask_whether("Write a policy with quiet hours for that SMS?", default=False))
    if is_open["compose"]:
        wanted = replace(wanted, compose=ask_whether("Write a compose.yaml for containers?", default=False))
    if has_env_file:
        return wanted
    public_key = ask("The public key of your account (empty: later)", _public_key)
    return replace(
        wanted, public_key=public_key, api_key=ask_secret("An API key of your account (empty: later)", _api_key)
    )


def _public_key(text: str) -> str:
    return _checked(text, values.public_keys)


def _api_key(text: str) -> str:
    def check(key: str) -> None:
        # Anything else is a slip of the clipboard, and may mean something else in `.env`.
        if not re.fullmatch(r"[A-Za-z0-9_.~+/=-]+", key):
            raise ValueError("it holds a character that no key has: copy it anew")

    return _checked(text, check)


def _checked(text: str, check: Callable[[str], object]) -> str:
    """Return an answer without blanks at its ends, if it is empty or passes."""
    given = text.strip()
    try:
        if given:
            check(given)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return given


def _refuse_to_replace(folder: Path, wanted: Wanted) -> None:
    if there := in_the_way(folder, wanted):
        exists = "exists" if len(there) == 1 else "exist"
        fail(f"{' and '.join(there)} {exists} there already: run `ringback new` in another folder")


def _write(folder: Path, name: str, wanted: Wanted) -> None:
    """Make a new file. An existing `.env` stays unchanged."""
    if not os.path.lexists(folder / name):
        write(folder, name, wanted)
        say(f"{folder / name} written")
    elif missing := list(missing_lines(folder / name, wanted)):
        say(f"{folder / name} stays unchanged: add {', '.join(missing)}")
    else:
        say(f"{folder / name} stays unchanged")


def _say_what_is_next(folder: Path, wanted: Wanted) -> None:
    steps = [] if folder.resolve() == Path.cwd() else [f"`cd {quote(str(folder))}`"]
    steps += ["`pip install pytest && pytest`"] if wanted.handlers else []
    say(f"next: {', then '.join([*steps, '`ringback up --dev --simulator`'])}, which needs no account")
