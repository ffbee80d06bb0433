"""Build the documentation's site into build/site: the pages, a Markdown copy of each, and llms.txt.

`python -m scripts.build_docs` needs the extra `docs`, and npm once for diagrams. docs/site.toml has the order of the
pages. Those of commands and of the handler API come from the code.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts import mermaid
from scripts.reference_pages import api_page, commands_page

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build"
STAGE, SITE = BUILD / "docs", BUILD / "site"
SETTINGS = tomllib.loads((ROOT / "docs" / "site.toml").read_text())["project"]
OTHERS = {name: name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/RESULTS.md")}
OTHERS |= {"README.md": "about.md", "deploy/helm/ringback/README.md": "deploy/helm/ringback/README.md"}
"""Pages outside docs/, and their places on the site."""
FOLDERS = ("benchmarks/plots", "examples")
LINK = re.compile(r"(?<=\]\()(?!https?:|#)[^)#\s]+")


def stage() -> None:
    """Copy all pages into one tree, and write those that come from the code."""
    shutil.rmtree(BUILD, ignore_errors=True)
    places = _sources()
    for file, place in places.items():
        (STAGE / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, STAGE / place)
        if file.suffix == ".md":
            (STAGE / place).write_text(_relinked(file, places))
    (STAGE / "commands.md").write_text(commands_page())
    (STAGE / "handler-api.md").write_text(api_page())


def _sources() -> dict[Path, str]:
    """Return the place on the site of each file."""
    files = {each: str(each.relative_to(ROOT / "docs")) for each in (ROOT / "docs").rglob("*.*")}
    for folder in FOLDERS:
        files |= {each: str(each.relative_to(ROOT)) for each in (ROOT / folder).rglob("*.*")}
    files |= {ROOT / name: place for name, place in OTHERS.items()}
    return {file: place for file, place in files.items() if file.is_file() and "__pycache__" not in file.parts}


def _relinked(page: Path, places: dict[Path, str]) -> str:
    """Return a page with the links that it has on the site. A link to code leads to the repository."""

    def target(link: re.Match[str]) -> str:
        file = (page.parent / link[0]).resolve()
        if file not in places:
            return f"{SETTINGS['repo_url']}/blob/main/{file.relative_to(ROOT)}"
        return os.path.relpath(places[file], Path(places[page]).parent)

    return LINK.sub(target, page.read_text())


def add_plain_text() -> None:
    """Put a Markdown copy beside each page, and write llms.txt, a list of them."""
    lines = [f"# {SETTINGS['site_name']}", f"> {SETTINGS['site_description']}"]
    for section in SETTINGS["nav"]:
        [(title, pages)] = section.items()
        lines += [f"## {title}", "\n".join(f"- [{_title(page)}]({page})" for page in pages)]
    (SITE / "llms.txt").write_text("\n\n".join(lines) + "\n")
    for page in _pages():
        (SITE / page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(STAGE / page, SITE / page)


def add_diagrams() -> None:
    """Put the library for diagrams beside the pages. Those with a diagram load it, before the theme would."""
    place = SITE / "assets" / "javascripts" / "mermaid.min.js"
    place.write_bytes(mermaid.library())
    for page in SITE.rglob("*.html"):
        text = page.read_text()
        if '<pre class="mermaid"' in text:
            script = f'<script src="{os.path.relpath(place, page.parent)}"></script>'
            page.write_text(text.replace('<script src="', f'{script}<script src="', 1))


def ask_no_other_host() -> None:
    """Keep the link to the repository, and take its mark away. For that mark the theme asks GitHub for counts."""
    for page in SITE.rglob("*.html"):
        page.write_text(page.read_text().replace(' data-md-component="source"', ""))


def _pages() -> Iterator[str]:
    for page in STAGE.rglob("*.md"):
        yield str(page.relative_to(STAGE))


def _title(page: str) -> str:
    return (STAGE / page).read_text().split("\n", 1)[0].removeprefix("# ")


def main() -> int:
    """Build the site, and return the exit code."""
    stage()
    shutil.copy(ROOT / "docs" / "site.toml", BUILD / "zensical.toml")
    command: list[Any] = [sys.executable, "-m", "zensical", "build", "--strict", "-f", BUILD / "zensical.toml"]
    if subprocess.run(command, check=False).returncode:
        return 1
    add_plain_text()
    add_diagrams()
    ask_no_other_host()
    print(f"{len(list(_pages()))} pages in {SITE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
