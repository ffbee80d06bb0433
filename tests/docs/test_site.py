"""The documentation's site: every page has its place, every link leads somewhere, and no page asks another host."""

import functools
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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


def test_the_first_page_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\(([\w./-]+\.md)", (ROOT / "docs" / "index.md").read_text()))
    assert {each.name for each in (ROOT / "docs").glob("*.md")} - linked == {"index.md"}


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


@pytest.fixture(scope="module")
def site() -> Path:
    """The built site."""
    pytest.importorskip("zensical", reason="pip install -e '.[docs]'")
    if not mermaid.COPY.exists():
        pytest.skip("python -m scripts.mermaid fetches the library for diagrams")
    built = subprocess.run(
        [sys.executable, "-m", "scripts.build_docs"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return ROOT / "build" / "site"


@pytest.mark.slow
def test_the_links_of_the_site_lead_somewhere(site: Path) -> None:
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


@pytest.mark.slow
def test_programs_get_every_page_as_plain_text(site: Path) -> None:
    listed = re.findall(r"\]\((\S+)\)", (site / "llms.txt").read_text())
    assert set(listed) == places()
    assert all((site / each).is_file() for each in listed)
    assert "ringback events list" in (site / "commands.md").read_text()
    assert "Context.reply" in (site / "handler-api.md").read_text()


@pytest.mark.slow
def test_a_browser_shows_the_site_and_asks_no_other_host(site: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or find_spec("axe_playwright_python") is None:
        pytest.skip("pip install -e '.[browser]', and Debian's chromium")
    from playwright.sync_api import sync_playwright

    with served(site) as address, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.set_default_timeout(120_000)  # a busy machine
        asked: list[str] = []
        page.on("request", lambda each: asked.append(each.url))
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        for place in ("about/", "start/", "commands/", "404.html"):
            page.goto(f"{address}/{place}")
            page.wait_for_load_state("load")
            assert page.evaluate(WIDER) == [], place
        page.goto(f"{address}/traces/")
        page.wait_for_selector("div.mermaid")
        drawn = page.evaluate("document.querySelector('div.mermaid').getBoundingClientRect().height")
        assert (drawn > 100, page.locator("pre.mermaid").count()) == (True, 0)
        page.set_viewport_size({"width": 1280, "height": 800})
        _search_by_keyboard(page, "quiet hours", "/fallback/")
        assert _serious(page) == []
        browser.close()
    assert [each for each in asked if not each.startswith((address, "data:", "blob:"))] == []


WIDER = """[...document.querySelectorAll('html, .md-content img')]
  .filter((each) => each.scrollWidth > innerWidth + 1 || (each.tagName === 'IMG' && !each.naturalWidth))
  .map((each) => each.outerHTML.slice(0, 80))"""
"""JavaScript for what is wider than the window, or a picture that is missing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder by HTTP, as a host of static pages does."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    """A handler that logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Log nothing."""


def _search_by_keyboard(page: Any, text: str, path: str) -> None:
    """Open the search by its key, type, and wait for a result."""
    field = page.get_by_placeholder("Search")
    for _ in range(60):  # the page may not listen yet
        if field.is_visible():
            break
        page.keyboard.press("/")
        page.wait_for_timeout(500)
    page.keyboard.type(text)
    page.locator(f"a[href*='{path}?h=']").first.wait_for()


def _serious(page: Any) -> list[str]:
    """Return the serious violations of WCAG in light and dark."""
    from axe_playwright_python.sync_playwright import Axe

    found = []
    for colors in ("light", "dark"):
        page.emulate_media(color_scheme=colors)
        page.reload()
        page.wait_for_selector(f"body[data-md-color-scheme={'default' if colors == 'light' else 'slate'}]")
        found += [
            f"{colors}: {each['id']}: {each['nodes'][0]['html']}"
            for each in Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]}).response["violations"]
            if each["impact"] in {"serious", "critical"}
        ]
    return found


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
