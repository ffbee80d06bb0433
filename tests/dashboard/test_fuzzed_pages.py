"""Whatever comes over a socket to the dashboard: no 500, and nothing is changed by a request of nobody's own page."""

import asyncio
import random
import re
from urllib.parse import quote_from_bytes

import httpx
import pytest

from service.dashboard.pages import PAGES
from service.dashboard.routes import Page
from service.ingress import http_protocol
from service.store.operators.audit_log import audit_entries
from service.store.store import Store
from tests.dashboard.conftest import USERS, Open, sign_in
from tests.raw_http import LAST, exchange
from tests.stack import Stack
from tests.telnyx_events import envelope

WORDS = (
    b"x",
    b"",
    b"0",
    b"-1",
    b"9" * 40,
    b"\x00",
    b"\xff\xfe",
    b"%2e%2e%2f",
    b"a=b&a=c",
    b"+13125550147",
    b"\xf0\x9f\x92\xa9",
)
ORIGINS = (
    b"sec-fetch-site: cross-site\r\n",
    b"origin: https://evil.example\r\n",
    b"origin: null\r\n",
    b"sec-fetch-site: \r\n",
    b"",
)
FILTERS = (
    b"state",
    b"type",
    b"handler",
    b"reason",
    b"number",
    b"message",
    b"attempts",
    b"since",
    b"window",
    b"after",
    b"page",
)
AT_ONCE = 10


class OddRequests:
    """Requests for pages by a seed, with anything wrong. None comes from a page of the dashboard."""

    def __init__(self, seed: int, port: int, cookies: list[bytes]) -> None:
        self.rng = random.Random(seed)
        self.port = port
        self.cookies = cookies

    def next(self) -> bytes:
        page: Page = self.rng.choice(PAGES)
        method = self.rng.choice([*page.methods, "POST", "PUT"]).encode()
        path = re.sub(r"\{[^}]*\}", lambda _: quote_from_bytes(self._word()), page.path).encode()
        pairs = b"&".join(
            self.rng.choice(FILTERS) + b"=" + quote_from_bytes(self._word()).encode()
            for _ in range(self.rng.randrange(4))
        )
        body = pairs if method == b"POST" else b""
        query = b"?" + pairs if pairs and self.rng.random() < 0.7 else b""
        kind = self.rng.choice(
            (b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x", b"text/plain")
        )
        head = b"host: 127.0.0.1:%d\r\ncookie: %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n" % (
            self.port,
            self.rng.choice(self.cookies),
            kind,
            len(body),
        )
        request = method + b" " + path + query + b" HTTP/1.1\r\n" + head + self.rng.choice(ORIGINS) + b"\r\n" + body
        return self._damaged(request) if self.rng.random() < 0.4 else request

    def _word(self) -> bytes:
        return self.rng.choice((*WORDS, self.rng.randbytes(6)))

    def _damaged(self, request: bytes) -> bytes:
        changed = bytearray(request)
        for _ in range(self.rng.randint(1, 3)):
            at = self.rng.randrange(len(changed))
            if self.rng.random() < 0.5:
                changed[at] ^= 1 << self.rng.randrange(8)
            else:
                changed[at : at + self.rng.randrange(3)] = self._word()
        return bytes(changed)


async def ask(port: int, odd: OddRequests, number: int) -> set[int]:
    """Send so many requests, each over a connection of its own. Return the statuses of all answers."""
    statuses: set[int] = set()

    async def one() -> None:
        request = odd.next()
        seen = await exchange(port, [request + LAST])
        # A page of events stays open, and what is sent after it is not read.
        found = {int(each) for each in re.findall(rb"(?:^|\r\n\r\n|\})HTTP/1\.1 (\d{3})", seen)}
        assert not [each for each in found if each >= 500], f"{request!r} was answered {found}"
        statuses.update(found)

    for _ in range(0, number, AT_ONCE):
        await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    return statuses


def bombard(stack: Stack, client: httpx.Client, *, seed: int, number: int) -> set[int]:
    body = envelope("test.kept", {})
    stack.deliver(body)
    cookies = [b"", b"session=x"]
    for user in ("vera", "both"):
        assert sign_in(client, user).status_code == 303
        cookies.append("; ".join(f"{name}={value}" for name, value in client.cookies.items()).encode())
    before = changes(stack)
    port = client.base_url.port or 0
    statuses = asyncio.run(ask(port, OddRequests(seed, port, cookies), number))
    assert changes(stack) == before
    assert stack.recorded(body["data"]["id"]).state == "open"
    return statuses


def changes(stack: Stack) -> int:
    """The number of changes on record. To look at what is hidden is on record, too, and asks for a POST."""

    async def count(store: Store) -> int:
        return len(await audit_entries(store, limit=1000))

    return stack.ask(count)


@pytest.fixture(autouse=True)
def _short_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 2.0)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(200, marks=pytest.mark.slow),
        pytest.param(50_000, marks=[pytest.mark.soak, pytest.mark.timeout(7200)]),
    ],
)
def test_odd_requests_get_no_500_and_change_nothing(stack: Stack, open_dashboard: Open, number: int) -> None:
    statuses = bombard(stack, open_dashboard(dashboard_users=USERS), seed=1, number=number)
    assert {200, 403, 404} <= statuses
