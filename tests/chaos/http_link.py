"""The link over which HTTP requests pass, to Telnyx or to the ingress. It kills its process at a point."""

import re
from collections import deque
from dataclasses import dataclass, field

from tests.chaos.crash_points import OF_EVENT
from tests.chaos.links import Ends, Link, pump

_IDS = re.compile(rb"/[^/]*\d[^/]*(?=/|$)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
VERSION = b"/v2"


@dataclass(frozen=True)
class HttpLink(Link):
    """Requests one way, answers the other."""

    prefix: str

    async def serve(self, ends: Ends) -> None:
        """Pass on what comes, until one side closes or the process is killed."""
        flow = _Flow(self, ends)
        await pump(ends, flow.take_requests, flow.take_answers)


@dataclass
class _Flow:
    """One connection: the labels of requests that have no answer yet."""

    link: HttpLink
    ends: Ends
    rest: bytes = b""
    waiting: "deque[str]" = field(default_factory=deque)

    async def take_requests(self, data: bytes) -> None:
        """Pass on each whole request, or half of it and no more."""
        self.rest += data
        while length := _length(self.rest):
            raw, self.rest = self.rest[:length], self.rest[length:]
            label = f"{self.link.prefix} {_name(raw)} {OF_EVENT}"
            if self._passes(label, "lost"):
                return self.link.kill(self.ends)
            if self._passes(label, "cut"):
                self.ends.server.write(raw[: length - 1 - length // 4])
                await self.ends.server.drain()
                return self.link.kill(self.ends)
            self.waiting.append(label)
            self.ends.server.write(raw)
        await self.ends.server.drain()
        return None

    async def take_answers(self, data: bytes) -> None:
        """Pass on an answer, unless the process is to be killed before that."""
        if self.waiting and self._passes(self.waiting.popleft(), "unanswered"):
            return self.link.kill(self.ends)
        self.ends.client.write(data)
        await self.ends.client.drain()
        return None

    def _passes(self, label: str, mode: str) -> bool:
        return self.link.watch.passes(self.link.role, label, mode) is not None  # type: ignore[arg-type]


def _length(data: bytes) -> int:
    """Return the length of the first request, 0 where it has not come whole."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return 0
    body = _LENGTH.search(data, 0, head + 2)
    length = head + 4 + (int(body[1]) if body else 0)
    return length if len(data) >= length else 0


def _name(raw: bytes) -> str:
    method, target, _ = raw.split(b" ", 2)
    path = target.partition(b"?")[0].removeprefix(VERSION)
    return f"{method.decode()} {_IDS.sub(b'/*', path).decode()}"
