"""The TOML file that a person wrote for a registration."""

import tomllib
from pathlib import Path
from typing import Any

from service.cli.output import fail


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a file. End the command with 2 where it cannot be read."""
    try:
        # Editors of Windows begin a file with a byte order mark.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path} cannot be read ({type(error).__name__})", code=2)
    except tomllib.TOMLDecodeError as error:
        fail(f"{path} is no TOML: {error}", code=2)
