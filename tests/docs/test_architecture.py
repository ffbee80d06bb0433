"""The pages name files, functions and classes that exist, and their links lead somewhere."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")])
LINKS = re.compile(r"\]\((?!https?:)([^()#\s]*)(?:#([^()\s]*))?\)")
NAMED = re.compile(
    r"`((?:service|handlers|tests|scripts|deploy|benchmarks|docs|\.ci)/[\w./*-]*|[\w-]+\.(?:md|toml))(?::([\w.]+))?`"
)
NAMED_IN_CODE = re.compile(r"(?<![\w/.<*-])([\w/-]+\.(?:lua|md))\b")
NOT_OURS = re.compile(r"\b(?:DESIGN|HOUSE|FACTS)\b|(?i:\bissue \d)")


def named() -> list[tuple[str, str]]:
    return sorted({(path, name) for page in PAGES for path, name in NAMED.findall(page.read_text())})


def links() -> list[tuple[Path, str, str]]:
    """Every relative link of a page: the page, the file (empty: the page itself) and the heading (may be empty)."""
    return [(page, file, heading) for page in PAGES for file, heading in LINKS.findall(page.read_text())]


@cache
def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
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


def test_what_the_pages_name_exists() -> None:
    missing = [path for path, _ in named() if not list(ROOT.glob(path.rstrip("/")))]
    assert missing == []
    assert [(path, name) for path, name in named() if name and name not in defined(ROOT / path)] == []


def test_a_link_leads_to_a_file_and_a_heading() -> None:
    targets = [(page, page.parent / file if file else page, heading) for page, file, heading in links()]
    assert [(page, target) for page, target, _ in targets if not target.is_file()] == []
    assert [(page, heading) for page, target, heading in targets if heading and heading not in anchors(target)] == []


def sources() -> list[Path]:
    return [
        each
        for folder in ("service", "handlers")
        for end in ("py", "lua")
        for each in (ROOT / folder).rglob(f"*.{end}")
    ]


def test_a_file_that_the_code_names_exists() -> None:
    known = [f"/{each.relative_to(ROOT)}" for each in [*sources(), *PAGES]]
    texts = {path: path.read_text() for path in sources()}
    files = {(path, each) for path, text in texts.items() for each in NAMED_IN_CODE.findall(text)}
    assert [(path, each) for path, each in files if not any(file.endswith(f"/{each}") for file in known)] == []
    assert {path: told for path, text in texts.items() if (told := NOT_OURS.findall(text))} == {}


def test_the_walk_names_many_functions() -> None:
    assert len([name for _, name in named() if name]) > 25
