"""Every command: its module, which defines it by its name, and the line that `ringback --help` shows for it.

The lines are in `commands.toml` too, so that the list imports no command. A test holds them equal to the commands' own
help.
"""

import tomllib
from importlib.resources import files

_TABLE = tomllib.loads((files(__package__) / "commands.toml").read_text("utf-8"))

COMMANDS: dict[str, tuple[str, str]] = {
    name: (f"service.cli.{command['module']}", command["help"]) for name, command in _TABLE.items()
}
