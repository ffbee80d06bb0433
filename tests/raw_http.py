"""HTTP as bytes: what a client that keeps to no rule sends, and what it gets."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

LAST = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
"""A request that ends a connection which the requests before it have left in order."""
MAX_SECONDS = 60.0


class Answer(NamedTuple):
    """One answer on a connection."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


async def exchange(port: int, pieces: Sequence[bytes]) -> bytes:
    """Send pieces over a connection of their own. Return all that comes until the server closes it.

    Raises:
        TimeoutError: the server leaves the connection open.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seen = bytearray()
    try:
        async with asyncio.timeout(MAX_SECONDS):
            sending = asyncio.ensure_future(_send(writer, pieces))
            with suppress(ConnectionError):
                while data := await reader.read(65536):
                    seen += data
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    finally:
        writer.transport.abort()
    return bytes(seen)


async def _send(writer: asyncio.StreamWriter, pieces: Sequence[bytes]) -> None:
    with suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            # The server reads one piece before it gets the next, most often.
            await asyncio.sleep(0)


def read_answers(seen: bytes, *, may_be_reset: bool = False) -> list[Answer]:
    """Return the answers in what came over a connection. One that was reset may lack a part of the last answer.

    Raises:
        ValueError: some of it is no answer.
    """
    answers = []
    while seen:
        head, end, rest = seen.partition(b"\r\n\r\n")
        if not end and may_be_reset:
            break
        first, *lines = head.split(b"\r\n")
        version, status, *_ = first.split(b" ")
        if not end or version != b"HTTP/1.1":
            raise ValueError("it does not begin with an answer")
        headers = dict(line.split(b": ", 1) for line in lines)
        length = int(headers.get(b"content-length", b"0"))
        if len(rest) < length and may_be_reset:
            break
        if len(rest) < length:
            raise ValueError("the body of an answer is cut off")
        answers.append(Answer(int(status), headers, rest[:length]))
        seen = rest[length:]
    return answers
