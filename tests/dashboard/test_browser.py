"""The pages in a real browser: Debian's Chromium, driven by Playwright. RINGBACK_SCREENSHOTS keeps the pictures."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from service.events.consent import ConsentChange
from service.store.facts.consent import record_consent
from tests.dashboard.browser_data import DELIVERED, fill, own_event
from tests.dashboard.conftest import PASSWORD, USERS, serving_dashboard
from tests.stack import Stack

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = (390, 768, 1440)
COLOURS = ("light", "dark")
SCREENSHOTS = os.environ.get("RINGBACK_SCREENSHOTS")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="this machine has no Chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def site(stack: Stack) -> Iterator[tuple[str, dict[str, str]]]:
    """A dashboard with events in every state; gives its address, and ids to look at."""
    ids = fill(stack)
    with serving_dashboard(stack, dashboard_users=USERS) as url:
        yield url, ids


def signed_in(browser: Any, url: str, name: str = "both", **options: Any) -> Any:
    context = browser.new_context(base_url=url, **options)
    page = context.new_page()
    page.problems = []
    page.on("console", lambda said: page.problems.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith((url, "data:")) else page.problems.append(asked.url))
    page.goto("/sign-in")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("button.main")
    page.wait_for_url(f"{url}/")
    return page


def paths(page: Any, ids: dict[str, str]) -> dict[str, str]:
    """Every page by a name, with the token of a number and the id of an issue as the pages themselves link to them."""
    page.goto("/numbers")
    page.fill("input[name=number]", DELIVERED)
    page.click("main button.main")
    number = page.url.split("/numbers/")[1]
    page.goto("/issues")
    issue = page.locator("a.row").first.get_attribute("href")
    return {
        "overview": "/",
        "events": "/events",
        "events-dead": "/events?state=dead&handler=file_invoice",
        "events-none": "/events?type=nothing.such",
        "events-wrong": "/events?since=yesterday",
        "event": f"/events/{ids['event']}",
        "event-dead": f"/events/{ids['dead']}",
        "event-long-id": f"/events/{quote(ids['long'], safe='')}",
        "issues": "/issues",
        "issue": issue,
        "jobs": "/jobs",
        "job-counted": f"/jobs/{ids['job']}",
        "replay-events": "/replay-events?type=shop.order_paid&state=dead",
        "number-form": "/numbers",
        "number": f"/numbers/{number}",
        "message-form": "/messages",
        "message": f"/messages/{ids['message']}",
        "blocks": "/blocks",
        "workers": "/workers",
        "handler": "/handlers/book_the_order_in_the_ledger_of_the_shop",
        "registrations": "/registrations",
        "optouts": "/optouts",
        "health": "/health",
        "audit": "/audit",
        "retry": f"/retry?event_id={ids['dead']}",
        "opt-out": "/opt-out",
        "error": "/nothing",
    }


def test_every_page_fits_at_three_widths_in_both_colours_and_breaks_no_policy(
    browser: Any, site: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    url, ids = site
    folder = Path(SCREENSHOTS or tmp_path)
    for colour in COLOURS:
        page = signed_in(browser, url, color_scheme=colour)
        for name, path in paths(page, ids).items():
            page.goto(path)
            page.wait_for_selector("main h1")
            if name == "health":
                page.wait_for_selector("table", timeout=60_000)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert over <= 0, (name, width)
                page.screenshot(path=folder / f"{name}-{width}-{colour}.png", full_page=True)
            if name != "error":
                assert page.problems == [], (name, page.problems)
            page.problems.clear()
        page.context.close()


def test_axe_finds_nothing_serious_on_any_page(browser: Any, site: tuple[str, dict[str, str]]) -> None:
    url, ids = site
    for colour in COLOURS:
        # Axe is a script from outside, which the policy keeps out otherwise.
        page = signed_in(browser, url, color_scheme=colour, bypass_csp=True, viewport={"width": 1280, "height": 900})
        for name, path in {**paths(page, ids), "sign-in": "/sign-in"}.items():
            page.goto(path)
            found = axe.Axe().run(page).response["violations"]
            serious = [
                (each["id"], [node["html"] for node in each["nodes"]][:3])
                for each in found
                if each["impact"] in ("serious", "critical")
            ]
            assert serious == [], (name, colour)
        page.context.close()


def test_a_page_shows_a_new_event_by_itself_and_keys_lead_through_it(
    browser: Any, site: tuple[str, dict[str, str]], stack: Stack
) -> None:
    url, _ = site
    page = signed_in(browser, url)
    page.goto("/events")
    stack.deliver(own_event("shop.arrived_just_now", 900))
    page.wait_for_selector("text=shop.arrived_just_now", timeout=20_000)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    first = page.locator("a.row").first.get_attribute("href")
    assert page.evaluate("document.activeElement.getAttribute('href')") == first
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "type"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#keys").is_visible()
    assert page.problems == []
    page.context.close()


def test_a_change_asks_in_a_dialog_and_without_javascript_on_a_page(
    browser: Any, site: tuple[str, dict[str, str]]
) -> None:
    url, ids = site
    page = signed_in(browser, url)
    page.goto(f"/events/{ids['dead']}")
    page.click("text=Retry")
    page.wait_for_selector("dialog#ask[open]")
    assert page.url.endswith(ids["dead"])
    page.click("dialog#ask >> text=Cancel")
    assert not page.locator("dialog#ask").is_visible()
    page.click("text=Retry")
    page.wait_for_selector("dialog#ask[open]")
    page.click("dialog#ask button.main")
    page.wait_for_selector("[role=status]")
    assert "Events that run again: 1." in page.inner_text("[role=status]")
    assert page.problems == []
    page.context.close()

    plain = signed_in(browser, url, java_script_enabled=False)
    plain.goto(f"/events/{ids['long'].replace('/', '%2F')}")
    plain.click("text=Retry")
    assert "/retry?" in plain.url
    plain.click("main button.main")
    assert "Events that run again: 1." in plain.inner_text("[role=status]")
    plain.context.close()


def test_a_page_full_of_opt_outs_fits(browser: Any, stack: Stack) -> None:
    words = [ConsentChange(f"+1312{number:07d}", "out", 1_760_000_000.0 + number, "import") for number in range(1000)]
    stack.ask(lambda store: record_consent(store, words, now=1_760_001_000.0))
    with serving_dashboard(stack, dashboard_users=USERS) as url:
        page = signed_in(browser, url, viewport={"width": 390, "height": 800})
        page.goto("/optouts")
        assert page.locator("a.row").count() == 100
        assert "1,000 in all" in page.inner_text("main")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.context.close()
