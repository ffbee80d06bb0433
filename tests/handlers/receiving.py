"""A customer's own service, which takes what is forwarded: a real web server in a thread."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import flask
from werkzeug.serving import WSGIRequestHandler, make_server


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@contextmanager
def served(app: flask.Flask, *, port: int = 0) -> Iterator[str]:
    """Serve an application until the block ends; gives its address."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Posted:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What arrived, and how the next requests are answered (status and headers); those that are not scripted, 200.

    No answer comes before `hold`, if there is one, is set.
    """

    answers: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    posted: list[Posted] = field(default_factory=list)
    url: str = ""
    hold: threading.Event | None = None

    def answer(self, status: int, **headers: str) -> None:
        self.answers.append((status, {name.replace("_", "-"): value for name, value in headers.items()}))

    def take(self) -> flask.Response:
        headers = {name.lower(): value for name, value in flask.request.headers.items()}
        self.posted.append(Posted(flask.request.full_path.rstrip("?"), headers, flask.request.get_data()))
        if self.hold is not None:
            self.hold.wait()
        status, answered = self.answers.popleft() if self.answers else (200, {})
        return flask.Response(status=status, headers=answered)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens until the block ends."""
    receiver, app = Receiver(), flask.Flask("receiver")
    app.add_url_rule("/<path:path>", view_func=lambda path: receiver.take(), methods=["GET", "POST"])
    with served(app) as address:
        receiver.url = f"{address}/webhooks"
        yield receiver
