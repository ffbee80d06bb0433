"""The files of a new project: handlers, a test of them, `.env`, a policy, a compose file."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.resources import files
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values

from service.security.masking import mask_number

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
        are_wanted = {"my_handlers.py": bool(self.handlers), "test_my_handlers.py": bool(self.handlers)}
        are_wanted |= {".env": True, "policy.toml": self.policy, "compose.yaml": self.compose}
        return [name for name, is_wanted in are_wanted.items() if is_wanted]


def content(name: str, wanted: Wanted) -> str:
    """Return the text of a file."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - `ringback new -h` starts without it

    environment = Environment(trim_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined)  # noqa: S701 - no HTML
    source = (files(__package__) / "new_files" / f"{name.lstrip('.')}.jinja").read_text("utf-8")
    chosen = {str(each): each in wanted.handlers for each in Handlers}
    models = sorted({each.model for each in wanted.handlers})
    values = {**asdict(wanted), **chosen, "models": models, "names": [str(each) for each in wanted.handlers]}
    return environment.from_string(source).render(values)


def in_the_way(folder: Path, wanted: Wanted) -> list[str]:
    """Return the names of files that exist and would be replaced. An existing `.env` is completed by a person."""
    return [name for name in wanted.files if name != ".env" and os.path.lexists(folder / name)]


def write(folder: Path, name: str, wanted: Wanted) -> None:
    """Make a new file.

    Raises:
        OSError: it cannot be written, or exists.
    """
    opened = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODES.get(name, 0o644))
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        file.write(content(name, wanted))


def missing_lines(env_file: Path, wanted: Wanted) -> Iterator[str]:
    """Yield the lines that an existing `.env` lacks. No whole number reaches a terminal.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    there = dotenv_values(env_file, interpolate=False)
    for name, value in dotenv_values(stream=StringIO(content(".env", wanted)), interpolate=False).items():
        if value and there.get(name) != value:
            yield f"{name}={value if name != 'RINGBACK_SMS_FROM' or value == 'profile' else mask_number(value)}"
