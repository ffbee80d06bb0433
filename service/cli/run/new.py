"""`ringback new`."""

import os
from importlib.resources import files
from pathlib import Path

from service.cli.output import fail, say
from service.processes.disk_space import describe_failed_write

FILES = {"my_handlers.py": 0o644, "test_my_handlers.py": 0o644, ".env": 0o600}
"""The mode of each file. `.env` is for secrets."""


def new() -> None:
    """Write my_handlers.py, a test of it and a .env into this folder. Existing files stay.

    Exit codes: 0 written, 1 there are handlers here already, or the folder cannot be written to.
    """
    if there := [name for name in FILES if name != ".env" and os.path.lexists(name)]:
        exists = "exists" if len(there) == 1 else "exist"
        fail(f"{' and '.join(there)} {exists} here already: run `ringback new` in another folder")
    try:
        for name, mode in FILES.items():
            _write(name, mode)
    except OSError as error:
        why = describe_failed_write(error, "run `ringback new` in another folder")
        fail(f"{Path.cwd()} cannot be written to: {why}")
    say("next: `pip install pytest && pytest`, then `ringback up --dev --simulator`, which needs no account")


def template(name: str) -> str:
    """Return the text of a file that the command writes."""
    return (files(__package__) / "new_files" / f"{name.lstrip('.')}.template").read_text("utf-8")


def _write(name: str, mode: int) -> None:
    """Make a new file. An existing one stays unchanged."""
    if os.path.lexists(name):
        say(f"{name} stays unchanged: add HANDLERS=my_handlers:router")
        return
    with os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(template(name))
    say(f"{name} written")
