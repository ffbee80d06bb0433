"""What the documentation shows, so that tests can run it."""

import re
import types
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a language in a page of docs/, in order."""
    text = (DOCS / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def block_with(page: str, language: str, words: str) -> str:
    """The one code block that contains these words."""
    [found] = [block for block in blocks(page, language) if words in block]
    return found


def executed(code: str, name: str) -> Any:
    """The names that a block of Python defines, as a module's attributes."""
    module = types.ModuleType(name)
    exec(compile(code, f"{name}.py", "exec"), vars(module))
    return module
