"""`ringback new`."""

import os
import sys
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import number_or_short_code
from service.cli.output import ask, ask_secret, ask_whether, fail, say
from service.processes.disk_space import describe_failed_write

MODES = {".env": 0o600}
"""Files that hold secrets. Others are for everybody to read."""


class Handlers(StrEnum):
    """The handlers that the command can write."""

    AUTO_REPLY = "auto_reply"
    CRM_NOTE = "crm_note"
    TOLL_FREE_NEWS = "toll_free_news"

    @property
    def model(self) -> str:
        """The payload model of its events."""
        return "TollFreeStatusChanged" if self is Handlers.TOLL_FREE_NEWS else "Message"


QUESTIONS = {
    Handlers.AUTO_REPLY: "Answer inbound messages?",
    Handlers.CRM_NOTE: "Note inbound messages in another system, such as a CRM?",
    Handlers.TOLL_FREE_NEWS: "Notify you of each step of a toll-free verification?",
}


@dataclass(frozen=True)
class Wanted:
    """The choices of a person: the handlers, the further files, and the values of `.env`."""

    handlers: tuple[Handlers, ...] = (Handlers.AUTO_REPLY,)
    policy: bool = False
    compose: bool = False
    sms_from: str = ""
    public_key: str = ""
    api_key: str = ""

    @property
    def files(self) -> list[str]:
        """The names of the files that it takes."""
        further = {"policy.toml": self.policy, "compose.yaml": self.compose}
        return ["my_handlers.py", "test_my_handlers.py", ".env", *(name for name, is_in in further.items() if is_in)]


def new(
    handler: Annotated[list[Handlers] | None, typer.Option(help="Write this handler. Give it several times.")] = None,
    policy: Annotated[
        bool | None, typer.Option("--policy/--no-policy", help="Write policy.toml: quiet hours of the SMS fallback.")
    ] = None,
    compose: Annotated[
        bool | None, typer.Option("--compose/--no-compose", help="Write compose.yaml: containers with a Valkey.")
    ] = None,
    sms_from: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", parser=number_or_short_code, help="The number that sends the SMS fallback."),
    ] = None,
) -> None:
    """Write handlers, a test of them and a .env into this folder. Existing files stay.

    On a terminal it asks for what no option says, and for the keys of your account. Elsewhere it writes `auto_reply`,
    and neither a policy nor a compose file, unless an option says so.

    Exit codes: 0 written, 1 there are handlers here already, or the folder cannot be written to.
    """
    wanted = Wanted(handlers=tuple(handler or Wanted.handlers), policy=bool(policy), compose=bool(compose))
    wanted = replace(wanted, sms_from=sms_from or "")
    _refuse_to_replace(wanted)
    if sys.stdin.isatty() and sys.stdout.isatty():
        wanted = _asked(wanted, handlers=handler is None, policy=policy is None, compose=compose is None)
        _refuse_to_replace(wanted)
    try:
        for name in wanted.files:
            _write(name, wanted)
    except OSError as error:
        why = describe_failed_write(error, "run `ringback new` in another folder")
        fail(f"{Path.cwd()} cannot be written to: {why}")
    say("next: `pip install pytest && pytest`, then `ringback up --dev --simulator`, which needs no account")


def content(name: str, wanted: Wanted) -> str:
    """Return the text of a file that the command writes."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - `ringback new -h` starts without it

    environment = Environment(trim_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined)  # noqa: S701 - no HTML
    source = (files(__package__) / "new_files" / f"{name.lstrip('.')}.jinja").read_text("utf-8")
    chosen = {str(each): each in wanted.handlers for each in Handlers}
    models = sorted({each.model for each in wanted.handlers})
    values = {**asdict(wanted), **chosen, "models": models, "names": [str(each) for each in wanted.handlers]}
    return environment.from_string(source).render(values)


def _asked(wanted: Wanted, *, handlers: bool, policy: bool, compose: bool) -> Wanted:
    """Ask a person for each choice that no option made."""
    if handlers:
        chosen = [each for each, question in QUESTIONS.items() if ask_whether(question, each in wanted.handlers)]
        wanted = replace(wanted, handlers=tuple(chosen or wanted.handlers))
    if not wanted.sms_from:
        wanted = replace(wanted, sms_from=ask("A number of yours that sends an SMS where RCS fails (empty: none)"))
    if policy and wanted.sms_from:
        wanted = replace(wanted, policy=ask_whether("Write a policy with quiet hours for that SMS?", default=False))
    if compose:
        wanted = replace(wanted, compose=ask_whether("Write a compose.yaml for containers?", default=False))
    if os.path.lexists(".env"):
        return wanted
    public_key = ask("The public key of your account (empty: later)")
    return replace(wanted, public_key=public_key, api_key=ask_secret("An API key of your account (empty: later)"))


def _refuse_to_replace(wanted: Wanted) -> None:
    there = [name for name in wanted.files if name != ".env" and os.path.lexists(name)]
    if there:
        exists = "exists" if len(there) == 1 else "exist"
        fail(f"{' and '.join(there)} {exists} here already: run `ringback new` in another folder")


def _write(name: str, wanted: Wanted) -> None:
    """Make a new file. An existing one stays unchanged."""
    if os.path.lexists(name):
        say(f"{name} stays unchanged: add HANDLERS=my_handlers:router")
        return
    opened = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODES.get(name, 0o644))
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        file.write(content(name, wanted))
    say(f"{name} written")
