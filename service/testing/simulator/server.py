"""The simulator on a port: in this process until a signal, or in a thread during a block."""

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import uvicorn

from service.processes.signals import end_quietly_on_signals, ignore_signals
from service.testing.simulator.app import PREFIX, DroppableProtocol, create_app
from service.testing.simulator.simulator import Simulator

_GRACE = 1
"""Seconds that requests under way may take when the server stops."""


def serve(simulator: Simulator, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT. Print one line with the address as soon as it listens. Port 0 takes a free one.

    Raises:
        OSError: the address cannot be listened on.
    """
    with _listen(host, port) as listener:
        address = _address(listener)
        server = _SimulatorServer(simulator, lambda: _say(f"simulator: {address}{PREFIX}"))
        end_quietly_on_signals()
        server.run([listener])
        ignore_signals()


@contextmanager
def running(simulator: Simulator, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve in a thread until the block ends. Yield the address, to which the API's `/v2` is added.

    Raises:
        OSError: the address cannot be listened on.
    """
    ready, ended = threading.Event(), Future[None]()
    # A server that fails before it listens must not be waited for.
    ended.add_done_callback(lambda _: ready.set())

    def run() -> None:
        try:
            server.run([listener])
            ended.set_result(None)
        except Exception as error:  # noqa: BLE001 - the caller raises it
            ended.set_exception(error)

    with _listen(host, port) as listener:
        address = _address(listener)
        server = _SimulatorServer(simulator, ready.set)
        thread = threading.Thread(target=run, name="simulator", daemon=True)
        thread.start()
        ready.wait()
        try:
            if ended.done():
                ended.result()
            yield address
        finally:
            server.should_exit = True
            thread.join()


class _SimulatorServer(uvicorn.Server):
    """uvicorn with the simulator in it, which says when it listens."""

    def __init__(self, simulator: Simulator, listening: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(simulator),
                http=DroppableProtocol,
                ws="none",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=_GRACE,
            )
        )
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
