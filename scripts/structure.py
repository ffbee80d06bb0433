"""Find what the layout rules of CONTRIBUTING.md forbid: long functions and files, names for two things, unused names.

Usage: `structure.py`. It prints one line for each finding, and exits 1 if there is any.
"""

import ast
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRODUCT = ("service/", "handlers/")
MAX_FUNCTION = 40
MAX_FILE = 300
MODELS_OF_TWO_SIDES = frozenset({"Campaign", "HostedNumber", "HostedNumberOrder", "Message"})
"""Classes that Ringback reads and that the simulator makes: both sides call them as Telnyx does."""


def findings(texts: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each finding in the product, from texts by path. Other files count as users of its names."""
    words = Counter(word for text in texts.values() for word in re.findall(r"\w+", text))
    places: defaultdict[str, list[str]] = defaultdict(list)
    for place, text in texts.items():
        if place.endswith(".py") and place.startswith(PRODUCT):
            tree = ast.parse(text)
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(place)
            yield from _too_long(place, text, tree)
            yield from (f"{place}: unused: {name}" for name in _names(tree) if words[name] == 1)
    for name, found in places.items():
        if len(found) > 1 and name not in MODELS_OF_TWO_SIDES:
            yield f"{found[0]}: two classes: {name}, also in {', '.join(found[1:])}"


def _too_long(place: str, text: str, tree: ast.Module) -> Iterator[str]:
    if (lines := text.count("\n")) > MAX_FILE:
        yield f"{place}: long file: {lines} lines, and {MAX_FILE} at most"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION:
                yield f"{place}: long function: {node.name} has {lines} lines, and {MAX_FUNCTION} at most"


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module defines. A decorator may use its function, so that such are left out."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.decorator_list:
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (each.id for each in node.targets if isinstance(each, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def tracked() -> dict[str, str]:
    """Return the texts of the repository by path."""
    command = ["git", "ls-files"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    kinds = {".py", ".lua", ".toml", ".html", ".md", ".yaml", ".yml", ""}
    paths = [name for name in listed.splitlines() if Path(name).suffix in kinds and (ROOT / name).is_file()]
    return {name: (ROOT / name).read_text("utf-8") for name in paths}


def main() -> int:
    """Print the findings, and return 1 if there is any."""
    found = list(findings(tracked()))
    print(*found or ["no finding"], sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
