"""The log of refused requests: a line a second for each reason, with a count, the peer and hints."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from logging import WARNING
from typing import Any

import structlog

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 1.0
MAX_REASONS = 50
MAX_PEERS = 100
"""Peers that are counted within one second, for one reason."""


@dataclass
class _Refusals:
    """Refusals for one reason that are not logged yet."""

    level: int
    hints: dict[str, Any]
    count: int = 0
    peers: Counter[str] = field(default_factory=Counter)

    def add(self, peer: str, hints: dict[str, Any]) -> None:
        self.count += 1
        self.hints.update(hints)
        if peer in self.peers or len(self.peers) < MAX_PEERS:
            self.peers[peer] += 1


class RefusalLog:
    """Logs the first refusal for a reason at once, and a second later how many followed."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, str], _Refusals] = {}

    def note(self, status: int, reason: str, peer: str, *, level: int = WARNING, **hints: Any) -> None:
        """Count a request that was refused with a status, for a reason, and came from an address."""
        key = (status, reason)
        if key not in self._open and len(self._open) >= MAX_REASONS:
            key, hints = (status, "other reasons"), {}
        if (refusals := self._open.get(key)) is not None:
            refusals.add(peer, hints)
            return
        refusals = self._open[key] = _Refusals(level, {})
        refusals.add(peer, hints)
        self._write(key)
        asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._end_second, key)

    def close(self) -> None:
        """Log what is not logged yet."""
        for key in list(self._open):
            self._write(key)
            del self._open[key]

    def _end_second(self, key: tuple[int, str]) -> None:
        if key not in self._open:
            return
        if self._open[key].count:
            self._write(key)
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._end_second, key)
        else:
            del self._open[key]

    def _write(self, key: tuple[int, str]) -> None:
        refusals = self._open[key]
        if not refusals.count:
            return
        [(peer, _)] = refusals.peers.most_common(1)
        many = {"peers": len(refusals.peers)} if len(refusals.peers) > 1 else {}
        told = {"count": refusals.count, "peer": peer, **many, **refusals.hints}
        log.log(refusals.level, "refused", status=key[0], reason=key[1], **told)
        refusals.count, refusals.hints, refusals.peers = 0, {}, Counter()


def peer_of(client: tuple[str, int] | None) -> str:
    """Return the address that a connection comes from, as a log shows it."""
    return client[0] if client else "unknown"


MAX_EXAMINED_BYTES = 4096
EXAMINE_SECONDS = 10.0
"""Between two bodies that are examined: to examine one costs more than to accept it."""


class RewriteCheck:
    """Examines a small body once in ten seconds, however many are refused."""

    def __init__(self) -> None:
        self._next = 0.0

    def hint(self, body: bytes) -> dict[str, bool]:
        """Return the log's hint about a body whose signature does not match, if there is one."""
        now = time.monotonic()
        if now < self._next or len(body) > MAX_EXAMINED_BYTES:
            return {}
        self._next = now + EXAMINE_SECONDS
        return {"looks_reserialised": True} if looks_reserialised(body) else {}


def looks_reserialised(body: bytes) -> bool:
    """Return whether a body is just what `json.dumps` would write of it."""
    try:
        content = json.loads(body)
        return body in (json.dumps(content).encode(), json.dumps(content, sort_keys=True).encode())
    except (ValueError, RecursionError):
        return False
