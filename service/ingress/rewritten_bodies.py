"""Whether a proxy seems to have parsed and rewritten a body, which no signature survives: a hint for the log."""

import json
import time

MAX_EXAMINED_BYTES = 4096
PAUSE_SECONDS = 10.0
"""Between two bodies that are examined: to examine one costs more than to accept it."""


class RewriteCheck:
    """Examines a small body once in ten seconds, however many are refused."""

    def __init__(self) -> None:
        self._next = 0.0

    def hint(self, body: bytes) -> dict[str, bool]:
        """Return what the log says of a body whose signature does not match; empty where there is nothing to say."""
        now = time.monotonic()
        if now < self._next or len(body) > MAX_EXAMINED_BYTES:
            return {}
        self._next = now + PAUSE_SECONDS
        return {"looks_reserialised": True} if looks_reserialised(body) else {}


def looks_reserialised(body: bytes) -> bool:
    """Return whether a body is just what `json.dumps` would write of it."""
    try:
        content = json.loads(body)
        return body in (json.dumps(content).encode(), json.dumps(content, sort_keys=True).encode())
    except (ValueError, RecursionError):
        return False
