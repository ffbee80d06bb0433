"""Take pictures of the dashboard on the events of `ringback demo`, and a few that go dead.

Usage: `take_screenshots.py [FOLDER]`. Without a folder they go to docs/pictures.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import sync_playwright

from service.cli.demo.demo import FAILED, deliveries
from service.cli.demo.stack import DemoStack, demo_stack
from service.cli.signed_delivery import deliver
from service.testing.samples import sample

ROOT = Path(__file__).parents[1]
COLOURS: dict[str, Any] = {"overview": "light", "event": "light", "issues": "dark", "number": "light"}
SIZE: Any = {"width": 1200, "height": 760}
HANDLERS = """
import handlers
from service import Router
from service.outcome import Dead

router = Router(handlers.router)


@router.on("shop.*")
async def ship_order(event, ctx):
    if event.type == "shop.order_paid":
        raise Dead("request", "the shop answered 400: the order is not known there")
    raise Dead("template", "the template has no field `total`")
"""


def main() -> None:
    """Run the demo, and take the pictures."""
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as temporary:
        Path(temporary, "demo_handlers.py").write_text(HANDLERS)
        os.chdir(temporary)
        os.environ["HANDLERS"] = "demo_handlers:router"
        with demo_stack() as stack:
            _fill(stack)
            _take(stack.open_dashboard().rstrip("/"), folder)


def _fill(stack: DemoStack) -> None:
    for delivery in deliveries(chaos=False):
        delivery.tell(stack)
    for body in _of_the_shop():
        deliver(f"{stack.ingress_url}/webhooks", body, stack.signing_key, age=0)
        stack.ended(body["data"]["id"])


def _of_the_shop() -> Iterator[dict[str, Any]]:
    for number in range(14):
        body = sample("unknown.type")
        kind = "shop.invoice" if number % 5 == 0 else "shop.order_paid"
        body["data"] |= {"event_type": kind, "payload": {"order": number}}
        yield body


def _take(url: str, folder: Path) -> None:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, path in _pages(browser.new_page(base_url=url)).items():
            page = browser.new_page(base_url=url, viewport=SIZE, color_scheme=COLOURS[name])
            page.goto(path)
            page.wait_for_selector("main h1")
            page.screenshot(path=folder / f"{name}.png")
        browser.close()


def _pages(page: Any) -> dict[str, str]:
    """Return the pages to show, with the addresses that the pages themselves have."""
    page.goto("/events?type=message.finalized")
    event = page.locator("a.row").last.get_attribute("href")
    page.goto("/numbers")
    page.fill("input[name=number]", FAILED)
    page.click("main button.main")
    number = page.url
    return {"overview": "/", "event": event, "issues": "/issues", "number": number}


if __name__ == "__main__":
    main()
