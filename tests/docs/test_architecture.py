"""docs/architecture.md and CONTRIBUTING.md name files, functions and classes that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("docs/architecture.md", "CONTRIBUTING.md")
NAMED = re.compile(
    r"`((?:service|handlers|tests|scripts|deploy|benchmarks|docs|\.ci)/[\w./*-]*|[\w-]+\.(?:md|toml))(?::([\w.]+))?`"
)


def named() -> list[tuple[str, str]]:
    texts = [(ROOT / page).read_text() for page in PAGES]
    return sorted({(path, name) for text in texts for path, name in NAMED.findall(text)})


def defined(path: Path) -> set[str]:
    """The names of a module's functions, classes and constants, and of its classes' methods as `Class.method`."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
            found.update(f"{node.name}.{each.name}" for each in methods)
        if isinstance(node, ast.Assign):
            found.update(each.id for each in node.targets if isinstance(each, ast.Name))
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


@pytest.mark.parametrize(("path", "name"), named(), ids=lambda each: each or "file")
def test_what_the_pages_name_exists(path: str, name: str) -> None:
    assert list(ROOT.glob(path.rstrip("/"))) != [], "no such file"
    if name:
        assert name in defined(ROOT / path)


def test_the_walk_names_many_functions() -> None:
    assert len([name for _, name in named() if name]) > 25
