"""The link of one process to Redis, which sees each command and each answer, and kills the process at a point."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import hiredis

from tests.chaos.crash_points import Point
from tests.chaos.half_written import REFUSED, counting, script_names
from tests.chaos.links import Ends, Link, pump

SCRIPTS = script_names()
QUIET = frozenset({"CLIENT", "HELLO", "PING", "SCRIPT", "SELECT"})
"""Commands of a connection's own."""


@dataclass(frozen=True)
class RedisLink(Link):
    """Commands one way, answers the other."""

    async def serve(self, ends: Ends) -> None:
        """Pass on what comes, until one side closes or the process is killed."""
        flow = _Flow(self, ends)
        await pump(ends, flow.take_commands, flow.take_answers)


@dataclass
class _Flow:
    """One connection: the labels of commands that have no answer yet."""

    link: RedisLink
    ends: Ends
    rest: bytes = b""
    waiting: "deque[str]" = field(default_factory=deque)
    refused: Point | None = None
    replies: Any = field(default_factory=lambda: hiredis.Reader(replyError=RuntimeError))

    async def take_commands(self, data: bytes) -> None:
        """Pass on each whole command."""
        self.rest += data
        for raw, words in self._commands():
            name = SCRIPTS.get(words[1], "") if words[0] == b"EVALSHA" else ""
            label = self.link.watch.label(name or words[0].decode(), raw)
            if words[0].decode() in QUIET:
                label = ""
            elif self.link.watch.passes(self.link.role, label, "lost"):
                return self.link.kill(self.ends)
            self.waiting.append(label)
            self.ends.server.write(self._counted(name, label, words) if name else raw)
        await self.ends.server.drain()
        return None

    async def take_answers(self, data: bytes) -> None:
        """Pass on answers, unless the process is to be killed before it reads one of them."""
        self.replies.feed(data)
        if REFUSED in data and self.refused is not None:
            self.link.watch.take()
            if self.refused.mode == "half-way":
                return self.link.kill(self.ends)
            self.refused = None
        while (reply := self.replies.gets()) is not False:
            label = self.waiting.popleft() if self.waiting else ""
            if label and self._ends_at(label, data, reply):
                return self.link.kill(self.ends)
        self.ends.client.write(data)
        await self.ends.client.drain()
        return None

    def _ends_at(self, label: str, data: bytes, reply: Any) -> bool:
        name = label if " " in label else self.link.watch.label(label, data)
        return self.link.watch.passes(self.link.role, name, "unanswered") is not None

    def _counted(self, name: str, label: str, words: "list[bytes]") -> bytes:
        watch, role = self.link.watch, self.link.role
        point = watch.refused_write(role)
        if not (watch.armed and watch.counting) and (point is None or not point.label.startswith(f"{label}|")):
            return _packed(words)
        self.refused = point or self.refused
        target, time = (f"{role}|{point.label}", point.time) if point else ("", 0)
        return _packed([b"EVAL", counting(name, f"{role}|{label}", target, time), *words[2:]])

    def _commands(self) -> "Iterator[tuple[bytes, list[bytes]]]":
        while (found := _first_command(self.rest)) is not None:
            words, length = found
            raw, self.rest = self.rest[:length], self.rest[length:]
            yield raw, words


def _first_command(data: bytes) -> "tuple[list[bytes], int] | None":
    """Return the words of the first command and its length, or None where it has not come whole."""
    end = data.find(b"\r\n")
    if end < 0:
        return None
    words, at = [], end + 2
    for _ in range(int(data[1:end])):
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(data[at + 1 : end])
        at = end + 4 + size
        if len(data) < at:
            return None
        words.append(data[end + 2 : end + 2 + size])
    return words, at


def _packed(words: "list[bytes]") -> bytes:
    parts = b"".join(b"$%d\r\n%b\r\n" % (len(each), each) for each in words)
    return b"*%d\r\n%b" % (len(words), parts)
