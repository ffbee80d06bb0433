"""Every command: its module, which defines it by its name, and the line that `ringback --help` shows for it.

The lines are in `commands.toml` too, so that the list imports no command. A test holds them equal to the commands' own
help.
"""

import tomllib
from functools import cache
from importlib.resources import files

_TABLE = tomllib.loads((files(__package__) / "commands.toml").read_text("utf-8"))

COMMANDS: dict[str, tuple[str, str]] = {
    name: (f"service.cli.{command['module']}", command["help"]) for name, command in _TABLE.items()
}


@cache
def examples() -> dict[str, list[str]]:
    """Return examples by the words of their command after `ringback`."""
    return tomllib.loads((files(__package__) / "examples.toml").read_text("utf-8"))


def epilog(path: str) -> str | None:
    """Return the examples of a command as the end of its help, each on a line."""
    return "\n".join(["Examples:", *examples()[path]]) if path in examples() else None
