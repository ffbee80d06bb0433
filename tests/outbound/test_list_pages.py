"""Lists whose pages repeat, or go on beyond their number of pages: each reading ends with an error that says so."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import structlog
from structlog.testing import capture_logs

from service import Context
from service.messages import opt_out_list
from service.outbound import list_pages
from service.outbound.client import open_reader
from service.outbound.list_pages import ListDoesNotEnd
from service.registrations.hosted_numbers import changed_orders
from service.registrations.toll_free import follow_all
from service.registrations.webhook_destinations import all_destinations
from service.store.store import Store
from tests.cli.at_stack import run_at
from tests.stack import Stack

COMMANDS = [
    ("rcs", "agents"),
    ("webhooks", "plan"),
    ("webhooks", "apply", "--yes"),
    ("hosted", "list"),
    ("hosted", "list", "--numbers"),
    ("tollfree", "list"),
    ("messages", "list", "--limit", "1000"),
]


@dataclass
class PagedApi:
    """A Telnyx whose lists answer what `page` makes of the number of the request."""

    page: Callable[[int, str], tuple[int, dict[str, str], Any]]
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, dict[str, str], Any]:
        self.asked.append(path)
        return self.page(sum(urlsplit(each).path == urlsplit(path).path for each in self.asked), path)


@contextmanager
def serving(page: Callable[[int, str], tuple[int, dict[str, str], Any]]) -> Iterator[PagedApi]:
    api = PagedApi(page)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = api.answer(self.path)
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}/v2"
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def rows(path: str, name: str, **meta: Any) -> tuple[int, dict[str, str], Any]:
    """A page with one row, in the form of both kinds of list."""
    row = {"id": name, "agent_id": name, "to": "+13125550101", "from": "me", "created_at": "2026-11-26T06:00:00Z"}
    if "tollfree" in path:
        return 200, {}, {"records": [row], "total_records": meta.get("total_pages", 13)}
    return 200, {}, {"data": [row], "meta": {"page_number": 1, "page_size": 1, "total_pages": 13, **meta}}


def repeating(_: int, path: str) -> tuple[int, dict[str, str], Any]:
    return rows(path, "a")


def in_a_circle(number: int, path: str) -> tuple[int, dict[str, str], Any]:
    return rows(path, f"row-{number % 3}")


def ever_new(number: int, path: str) -> tuple[int, dict[str, str], Any]:
    return rows(path, f"row-{number}", total_pages=3)


async def sees_all(ctx: Context) -> None:
    await all_destinations(ctx.telnyx)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_pages, "PAUSE", 0.001)


@pytest.mark.parametrize("page", [repeating, in_a_circle])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_ends_with_an_error_where_a_page_repeats(
    stack: Stack, command: tuple[str, ...], page: Callable[[int, str], Any]
) -> None:
    with serving(page) as api:
        ran = run_at(stack, *command, TELNYX_BASE_URL=api.url, RINGBACK_PUBLIC_URL="https://ringback.example/webhooks")
    assert ran.code == 1
    assert "repeats rows of pages before it" in ran.stderr
    assert len(api.asked) <= 4


@pytest.mark.parametrize("command", [each for each in COMMANDS if each[0] != "tollfree"], ids=" ".join)
def test_a_command_ends_with_an_error_where_pages_go_on_beyond_their_number(
    stack: Stack, command: tuple[str, ...]
) -> None:
    with serving(ever_new) as api:
        ran = run_at(stack, *command, TELNYX_BASE_URL=api.url, RINGBACK_PUBLIC_URL="https://ringback.example/webhooks")
    assert ran.code == 1
    assert "goes on beyond its 3 pages (total_pages)" in ran.stderr
    assert len(api.asked) == 3


def test_a_list_of_toll_free_requests_ends_with_its_last_row(stack: Stack) -> None:
    with serving(ever_new) as api:
        ran = run_at(stack, "tollfree", "list", TELNYX_BASE_URL=api.url)
    assert ran.code == 0
    assert len(api.asked) == 3


@pytest.mark.parametrize("page", [repeating, ever_new])
def test_the_reading_of_opt_outs_ends_and_says_why(stack: Stack, page: Callable[[int, str], Any]) -> None:
    settings = stack.settings.model_copy()
    with serving(page) as api, capture_logs() as logs:
        settings = stack.settings.model_copy(update={"base_url": api.url})

        async def read(store: Store) -> bool:
            async with open_reader(settings) as telnyx:
                return await opt_out_list._read(telnyx, store, None)

        assert stack.ask(read) is False
    assert len(api.asked) <= 3
    [told] = [each for each in logs if "to their end" in each["event"]]
    assert "the list of opt-outs" in told["error"]


@pytest.mark.parametrize("poll", [changed_orders, follow_all, sees_all])
def test_a_poll_of_a_handler_ends_with_an_error(stack: Stack, poll: Callable[..., Any]) -> None:
    with serving(repeating) as api:
        settings = stack.settings.model_copy(update={"base_url": api.url})

        async def read(store: Store) -> None:
            async with open_reader(settings) as telnyx:
                ctx = Context(
                    telnyx=telnyx,
                    redis=store.redis,
                    log=structlog.get_logger(),
                    attempt=1,
                    settings=settings,
                    state=None,
                    effect_key="event/poll",
                    services=cast("Any", SimpleNamespace(store=store)),
                )
                await poll(ctx)

        with pytest.raises(ListDoesNotEnd):
            stack.ask(read)
    assert len(api.asked) == 2


def test_a_429_is_waited_out(stack: Stack) -> None:
    def page(number: int, path: str) -> tuple[int, dict[str, str], Any]:
        if number in (1, 3):
            return 429, {"retry-after": "0"}, {"errors": [{"code": "10011", "title": "Too many requests"}]}
        return rows(path, f"row-{number}", total_pages=2, page_number=1 if number == 2 else 2)

    with serving(page) as api:
        ran = run_at(stack, "hosted", "list", "--json", TELNYX_BASE_URL=api.url)
    assert (ran.code, ran.stderr) == (0, "")
    assert [each["id"] for each in json.loads(ran.stdout)] == ["row-2", "row-4"]


def test_a_long_list_stays_below_ten_requests_a_second(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_pages, "PAUSE", 0.1)
    with serving(lambda number, path: rows(path, f"row-{number}", total_pages=5, page_number=number)) as api:
        began = time.monotonic()
        ran = run_at(stack, "hosted", "list", TELNYX_BASE_URL=api.url)
        took = time.monotonic() - began
    assert (ran.code, len(api.asked)) == (0, 5)
    assert took >= 0.4
