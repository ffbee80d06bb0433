"""Live pages: the same page as a stream of server-sent events, each with the part that has changed."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from service.dashboard.visit import View, Visit
from service.security.masking import describe_error

log = structlog.get_logger(__name__)

INTERVAL = 2.0
"""Seconds between two looks."""
LONGEST = 600.0
"""Seconds after which a stream ends. The browser opens it again."""
MOST_STREAMS = 64
"""Streams of one process."""
HEARTBEAT = 15.0

_LIVE = re.compile(r"<!--live-->(.*)<!--/live-->", re.DOTALL)


class Streams:
    """The open streams of one process. They end when the process stops, which would wait for them."""

    def __init__(self) -> None:
        self.number = 0
        self.stopping = asyncio.Event()


def is_asked_for(request: Request) -> bool:
    """Return whether a browser asks for the stream of a page."""
    return "text/event-stream" in request.headers.get("accept", "")


def live_part(html: str) -> str:
    """Return the part of a page that is shown anew."""
    found = _LIVE.search(html)
    return found[1] if found else ""


def stream(
    visit: Visit, endpoint: Callable[[Visit], Awaitable[View | Response]], is_still: Callable[[], Awaitable[bool]]
) -> Response:
    """Return the stream of a page. It ends where its visitor would not be let in any more.

    Raises:
        HTTPException: too many streams are open.
    """
    streams: Streams = visit.request.app.state.streams
    if streams.number >= MOST_STREAMS:
        raise HTTPException(503, "Too many pages are open.")
    return StreamingResponse(_changes(visit, endpoint, is_still, streams), media_type="text/event-stream")


async def _changes(
    visit: Visit,
    endpoint: Callable[[Visit], Awaitable[View | Response]],
    is_still: Callable[[], Awaitable[bool]],
    streams: Streams,
) -> AsyncIterator[str]:
    streams.number += 1
    try:
        end, shown, spoken = time.monotonic() + LONGEST, "", 0.0
        while time.monotonic() < end and not streams.stopping.is_set():
            try:
                if not await is_still():
                    return
                view = await endpoint(visit)
                part = live_part(visit.html(view)) if isinstance(view, View) else ""
            except (RedisError, OSError, TimeoutError):
                part = shown
            except Exception as error:  # noqa: BLE001 - a server would log its traceback, which may hold a message
                log.error("a live page of the dashboard failed", error=describe_error(error))
                return
            if part != shown:
                shown, spoken = part, time.monotonic()
                yield _event(part)
            elif time.monotonic() - spoken > HEARTBEAT:
                spoken = time.monotonic()
                yield ": still here\n\n"
            await _pause(streams)
    finally:
        streams.number -= 1


async def _pause(streams: Streams) -> None:
    try:
        async with asyncio.timeout(INTERVAL):
            await streams.stopping.wait()
    except TimeoutError:
        return


def _event(part: str) -> str:
    lines = "".join(f"data: {line}\n" for line in part.splitlines())
    return f"event: part\n{lines}\n"
