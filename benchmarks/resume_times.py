"""How long after a process was killed, or replaced, the next event is processed.

Run it with `python -m benchmarks.resume_times`, with the interpreter into which Ringback and its tests are installed.
Everything is real: `ringback up` with its embedded server, a local Telnyx, signed webhooks over HTTP, default settings.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import median

import httpx
import orjson
from nacl.signing import SigningKey

from service.cli.demo.stack import free_port
from service.security.telnyx_signature import public_key_text, sign
from service.testing.samples import envelope

HANDLERS = """
import asyncio
from pathlib import Path
from service import Context, Event, Router

router = Router()

@router.on("bench.quick")
async def quick(event: Event, ctx: Context) -> None:
    Path(event.id).write_text("")

@router.on("bench.interrupted")
async def interrupted(event: Event, ctx: Context) -> None:
    begun = Path("begun-" + event.id)
    if not begun.exists():
        begun.write_text("")
        await asyncio.Event().wait()
    Path(event.id).write_text("")
"""

KEY = SigningKey.generate()
ROUNDS = 3


class Installation:
    """`ringback up` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        (folder / "my_handlers.py").write_text(HANDLERS)
        self.up = self.start()

    def start(self) -> "subprocess.Popen[bytes]":
        """Start `ringback up`, and wait until a first event was processed."""
        environment = {
            **os.environ,
            "TELNYX_PUBLIC_KEY": public_key_text(KEY),
            "TELNYX_API_KEY": "KEY",
            "TELNYX_BASE_URL": "http://127.0.0.1:9/v2",
            "RINGBACK_PORT": str(self.port),
            "HANDLERS": "my_handlers:router",
        }
        with (self.folder / "up.log").open("ab") as log:
            command = [sys.executable, "-m", "service.cli", "up"]
            return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)

    def child(self, name: str) -> int:
        """The process id of a child, by its command line."""
        children = Path(f"/proc/{self.up.pid}/task/{self.up.pid}/children").read_text().split()
        for pid in children:
            with suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                if name in line and "embedded_guard" not in line:
                    return int(pid)
        raise LookupError(name)

    def deliver(self, event_type: str) -> str | None:
        """Deliver one event; its id, or None where nobody took it."""
        body = envelope(event_type, {})
        raw = orjson.dumps(body)
        with suppress(httpx.HTTPError):
            url = f"http://127.0.0.1:{self.port}/webhooks"
            headers = sign(raw, KEY, int(time.time()))
            if httpx.post(url, content=raw, headers=headers, timeout=2, trust_env=False).status_code == 200:
                return str(body["data"]["id"])
        return None

    def processed(self, event_id: str, *, seconds: float = 40) -> float:
        """When the event's handler had ended (monotonic)."""
        deadline = time.monotonic() + seconds
        while not (self.folder / event_id).exists():
            if time.monotonic() > deadline:
                raise TimeoutError(event_id)
            time.sleep(0.002)
        return time.monotonic()

    def next_event(self) -> float:
        """When the next event that is taken was processed (monotonic); deliveries are repeated as Telnyx would."""
        while (event_id := self.deliver("bench.quick")) is None:
            time.sleep(0.01)
        return self.processed(event_id)

    def interrupted(self) -> str:
        """An event in the middle of its handler."""
        event_id = self.deliver("bench.interrupted")
        assert event_id is not None
        self.processed(f"begun-{event_id}")
        return event_id


@contextmanager
def installed() -> Iterator[Installation]:
    """An installation that has processed its first event."""
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder))
        try:
            installation.next_event()
            yield installation
        finally:
            installation.up.terminate()
            installation.up.wait()


def kill(installation: Installation, name: str) -> tuple[float, float | None]:
    """Kill a child -9; seconds until the next event was processed, and until an interrupted one was."""
    event_id = installation.interrupted() if name == "worker" else None
    os.kill(installation.child(name), signal.SIGKILL)
    killed = time.monotonic()
    following = installation.next_event() - killed
    return following, installation.processed(event_id) - killed if event_id else None


def replace(installation: Installation, how: int, *, busy: bool) -> tuple[float, float | None]:
    """End `up` by a signal and start another; seconds from the signal. A busy one uses up its grace."""
    event_id = installation.interrupted() if busy else None
    installation.up.send_signal(how)
    began = time.monotonic()
    installation.up.wait()
    installation.up = installation.start()
    following = installation.next_event() - began
    return following, installation.processed(event_id) - began if event_id else None


def main() -> None:
    """Measure and print."""
    print(f"{'':34}{'next event':>12}{'interrupted':>14}   (seconds, median of {ROUNDS})")
    for name in ("ringback ingress", "valkey-server", "worker"):
        report(f"kill -9 of {name}", partial(kill, name=name.removeprefix("ringback ")))
    for name, how in (("kill -9", signal.SIGKILL), ("SIGTERM", signal.SIGTERM)):
        report(f"{name} of up, idle, and a new one", partial(replace, how=how, busy=False))
        report(f"{name} of up, busy, and a new one", partial(replace, how=how, busy=True))


def report(what: str, measure: Callable[[Installation], tuple[float, float | None]]) -> None:
    """Measure some rounds on one installation, and print the medians."""
    with installed() as installation:
        rounds = [measure(installation) for _ in range(ROUNDS)]
    following = median(each[0] for each in rounds)
    resumed = [each[1] for each in rounds if each[1] is not None]
    print(f"{what:34}{following:12.2f}{f'{median(resumed):14.2f}' if resumed else '':>14}", flush=True)


if __name__ == "__main__":
    main()
