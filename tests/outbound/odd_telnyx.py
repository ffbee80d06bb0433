"""A Telnyx that answers whatever a test says, byte by byte: what no simulator with manners would send."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

SENT = b'{"data":{"id":"40385f64-5717-4562-b3fc-2c963f66afa6"}}'
JSON = b"content-type: application/json"


def raw(status: int, body: bytes, *headers: bytes) -> bytes:
    """An answer as it goes over the wire, after which the connection is closed."""
    head = [b"HTTP/1.1 %d Odd" % status, b"content-length: %d" % len(body), b"connection: close", *headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


@dataclass
class Odd:
    """What it was asked (method, path, `Idempotency-Key`, body), and what it answers; the last answer stays."""

    answers: list[bytes]
    url: str = ""
    asked: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)

    def next_answer(self) -> bytes:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def odd_telnyx(answers: Sequence[bytes]) -> Iterator[Odd]:
    """Listen on loopback until the block ends.

    Its address has a part that nobody can guess: a worker of another test may still call a port that was freed.
    """
    odd, secret = Odd(list(answers)), f"/{secrets.token_hex(8)}"

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            if self.path.startswith(secret):
                path = self.path.removeprefix(secret)
                odd.asked.append((self.command, path, self.headers["idempotency-key"], body))
                self.wfile.write(odd.next_answer())
            self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        odd.url = f"http://127.0.0.1:{server.server_port}{secret}/v2"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield odd
        finally:
            server.shutdown()
            thread.join()
