"""The documentation's site: every page has its place, every link leads somewhere, and no page asks another host."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest

from scripts import mermaid

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "docs" / "site.toml").read_text())["project"]
FROM_CODE = {"commands.md", "handler-api.md"}


def places() -> set[str]:
    return {page for section in SETTINGS["nav"] for pages in section.values() for page in pages}


def test_every_page_of_docs_has_a_place_and_every_place_a_page() -> None:
    pages = {each.name for each in (ROOT / "docs").glob("*.md")}
    assert pages - places() == set()
    assert places() - pages - FROM_CODE == {"about.md", "CHANGELOG.md", "benchmarks/RESULTS.md", "examples/README.md"}


class Page(HTMLParser):
    """The links, anchors and loaded files of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors.add(given.get("id") or "")
        if tag == "a":
            self.links.append(given.get("href") or "")
        elif tag in {"script", "img"} or (tag == "link" and given.get("rel") in {"stylesheet", "icon", "preload"}):
            self.loaded.append(given.get("src") or given.get("href") or "")


@pytest.mark.slow
def test_the_site_is_built_and_its_links_lead_somewhere() -> None:
    pytest.importorskip("zensical", reason="pip install -e '.[docs]'")
    if not mermaid.COPY.exists():
        pytest.skip("python -m scripts.mermaid fetches the library for diagrams")
    built = subprocess.run(
        [sys.executable, "-m", "scripts.build_docs"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert built.returncode == 0, built.stdout + built.stderr
    site = ROOT / "build" / "site"
    pages = {each: Page(each.read_text()) for each in site.rglob("*.html") if each.name != "404.html"}
    assert len(pages) >= len(places())
    assert list(_broken(site, pages)) == []
    assert [each for page in pages.values() for each in page.loaded if each.startswith(("http:", "https:", "//"))] == []

    with_diagrams = {each for each in pages if '<pre class="mermaid"' in each.read_text()}
    assert {each.parent.name for each in with_diagrams} >= {"about", "architecture", "traces"}
    for each in with_diagrams:
        # The theme looks for it, and asks another host where it is missing.
        libraries = [Path(script).name.split(".")[0] for script in pages[each].loaded if script.endswith(".min.js")]
        assert libraries == ["mermaid", "bundle"]
    _diagrams_are_drawn(site / "traces" / "index.html")

    listed = re.findall(r"\]\((\S+)\)", (site / "llms.txt").read_text())
    assert set(listed) == places()
    assert all((site / each).is_file() for each in listed)
    assert "ringback events list" in (site / "commands.md").read_text()
    assert "Context.reply" in (site / "handler-api.md").read_text()


def _diagrams_are_drawn(page: Path) -> None:
    """Open a page in a browser that reaches no host."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or find_spec("playwright") is None:
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        opened = browser.new_page(offline=True)
        opened.goto(page.as_uri())
        opened.wait_for_selector("div.mermaid", timeout=120_000)
        drawn = opened.evaluate("document.querySelector('div.mermaid').getBoundingClientRect().height")
        left = opened.evaluate("document.querySelectorAll('pre.mermaid').length")
        browser.close()
    assert (drawn > 100, left) == (True, 0)


def _broken(site: Path, pages: dict[Path, Page]) -> Iterator[tuple[str, str]]:
    for file, page in pages.items():
        for link in page.links:
            if link.startswith(("http:", "https:", "mailto:")):
                continue
            path, _, anchor = link.partition("#")
            target = (
                (site / path.lstrip("/") if path.startswith("/") else file.parent / path).resolve() if path else file
            )
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or (anchor and target in pages and anchor not in pages[target].anchors):
                yield str(file.relative_to(site)), link
