"""The processes of the demo: a server in a temporary folder, an ingress, a worker. This process is the local Telnyx."""

import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from nacl.signing import SigningKey

from service.cli.connections import ask_at
from service.cli.run.up import ringback_command
from service.processes import embedded_server
from service.processes.parent_death import environment_of_child
from service.processes.supervisor import Child, end
from service.security.encryption import PLAIN
from service.security.telnyx_signature import public_key_text
from service.store.effects.ledger import effects_of
from service.store.inbox.accept import find
from service.store.inbox.records import EventRecord
from service.testing.simulator import Simulator, running

NAMESPACE = "demo"
SMS_FROM = "+13125550199"
LEASE = "2s"
"""Short, so that a killed worker's event goes on soon."""
HOLD = 3.0
"""Seconds for which the local Telnyx delays its answer while the worker is killed."""
SECONDS = 30.0
"""Seconds after which each step of the demo has failed."""


class DemoFailed(Exception):
    """The demo cannot run. The text quotes the failed process."""


@dataclass(frozen=True)
class DemoStack:
    """The processes of the demo."""

    ingress_url: str
    dashboard_url: str
    redis_url: str
    signing_key: SigningKey
    simulator: Simulator
    children: MutableMapping[str, subprocess.Popen[bytes]]
    folder: Path
    start: Callable[[str], subprocess.Popen[bytes]]

    def sends(self, event_id: str) -> int:
        """Return how many messages the event's handlers sent, by its ledger."""
        effects = ask_at(self.redis_url, NAMESPACE, PLAIN, lambda store: effects_of(store, event_id))
        done = [each for each in effects if each.event_id == event_id and each.state == "done"]
        return sum(each.path.startswith("/messages") for each in done)

    def hold_answers_to(self, number: str) -> None:
        """Let the local Telnyx take the next SMS for a number, and delay the answer."""
        self.simulator.add_fault(kind="slow", when="after", recipient=number, path="/messages", seconds=HOLD)

    def kill_worker_mid_send(self, event_id: str, number: str) -> bool:
        """Kill the worker once the local Telnyx has an SMS to a number, and start another. Return whether one came."""
        self._wait(lambda: self.messages_to(number) > 0 or self._has_ended(event_id))
        came = self.messages_to(number) > 0
        self.children["worker"].kill()
        self.children["worker"].wait()
        self.children["worker"] = self.start("worker")
        return came

    def messages_to(self, number: str) -> int:
        """Return how many messages to a number the local Telnyx has."""
        return sum(each.to == number and each.direction == "outbound" for each in self.simulator.account.messages)

    def record(self, event_id: str) -> EventRecord | None:
        """Return the current record of an event."""
        return ask_at(self.redis_url, NAMESPACE, PLAIN, lambda store: find(store, event_id))

    def ended(self, event_id: str) -> EventRecord | None:
        """Return the record of an event once it has ended, or its last form when the time is up."""
        self._wait(lambda: self._has_ended(event_id))
        return self.record(event_id)

    def _has_ended(self, event_id: str) -> bool:
        record = self.record(event_id)
        return record is not None and record.state != "open"

    def await_reception(self) -> None:
        """Wait until webhooks are taken.

        Raises:
            DemoFailed: the ingress does not start.
        """
        if not self._wait(lambda: _answers(f"{self.ingress_url}/readyz")):
            raise DemoFailed(f"the ingress does not answer:\n{embedded_server.last_words(self.folder / 'ingress.log')}")

    def open_dashboard(self) -> str:
        """Start the dashboard, and return its address.

        Raises:
            DemoFailed: it does not start.
        """
        self.children["dashboard"] = self.start("dashboard")
        if not self._wait(lambda: _answers(self.dashboard_url)):
            words = embedded_server.last_words(self.folder / "dashboard.log")
            raise DemoFailed(f"the dashboard does not answer:\n{words}")
        return self.dashboard_url

    def wait_for_end(self) -> None:
        """Wait until a process of the demo ends, which none does by its own will.

        Raises:
            DemoFailed: one has ended.
        """
        while True:
            self._refuse_dead_children()
            time.sleep(0.2)

    def _wait(self, condition: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + SECONDS
        while not condition():
            self._refuse_dead_children()
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _refuse_dead_children(self) -> None:
        for name, child in self.children.items():
            if child.poll() is not None:
                words = embedded_server.last_words(self.folder / f"{name}.log")
                raise DemoFailed(f"`ringback {name}` ended with code {child.returncode}:\n{words}")


@contextmanager
def demo_stack() -> Iterator[DemoStack]:
    """Start everything, and stop it at the end of the block.

    Raises:
        DemoFailed: a process does not start.
        service.processes.data_folder.EmbeddedServerError: no server can be run on this machine.
    """
    key, simulator = SigningKey.generate(), Simulator()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ringback-demo-")))
        server = stack.enter_context(embedded_server.start(folder / "data"))
        simulator_url = stack.enter_context(running(simulator))
        port, dashboard = free_port(), free_port()
        environment = _environment(key, simulator_url, server.url, port)
        environment["RINGBACK_DASHBOARD_PORT"] = str(dashboard)

        def start(name: str) -> subprocess.Popen[bytes]:
            log, ours = folder / f"{name}.log", environment_of_child(environment)
            command = [*ringback_command(), name]
            process = Child(name, command, SECONDS, environment=ours, folder=folder, output=log).start()
            stack.callback(end, process, SECONDS)
            return process

        children = {name: start(name) for name in ("ingress", "worker")}
        urls = (f"http://127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}/")
        demo = DemoStack(*urls, server.url, key, simulator, children, folder, start)
        demo.await_reception()
        yield demo


def _environment(key: SigningKey, simulator_url: str, redis_url: str, port: int) -> dict[str, str]:
    """Return the demo's own variables, and HANDLERS. None of the user's may point it at a real account."""
    ours = ("RINGBACK_", "TELNYX_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours) and name != "REDIS_URL"}
    # The children work in a folder of their own: handlers of the user's are found by this path alone.
    own_handlers = str(Path.cwd()) if "HANDLERS" in os.environ else None
    path = os.pathsep.join(filter(None, (own_handlers, os.environ.get("PYTHONPATH"))))
    return {
        **inherited,
        "PYTHONPATH": path,
        "TELNYX_PUBLIC_KEY": public_key_text(key),
        "TELNYX_API_KEY": "demo",
        "TELNYX_BASE_URL": f"{simulator_url}/v2",
        "REDIS_URL": redis_url,
        "RINGBACK_NAMESPACE": NAMESPACE,
        "RINGBACK_SMS_FROM": SMS_FROM,
        "RINGBACK_PORT": str(port),
        "RINGBACK_GRACE": "2",
        "RINGBACK_LEASE": LEASE,
    }


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def free_port() -> int:
    """Return a port on loopback that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
