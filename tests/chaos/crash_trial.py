"""One life in processes of its own, which are killed at its crash points and started again."""

import itertools
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson
import telnyx
from anyio.from_thread import BlockingPortal
from nacl.signing import SigningKey
from redis.exceptions import RedisError

from service.cli.connections import ask_at
from service.security.encryption import PLAIN
from service.security.telnyx_signature import public_key_text, sign
from service.store.inbox.accept import counts
from service.store.inbox.audit import Audit, audit, repair
from service.store.inbox.healing import begin
from service.store.store import Store
from service.testing.simulator import Simulator
from service.testing.simulator.webhooks.deliveries import Attempt, Exchange, WebhookDelivery
from tests.chaos.crash_points import Point, Watch
from tests.chaos.half_written import seen_key
from tests.chaos.http_link import HttpLink
from tests.chaos.links import Victim, listening
from tests.chaos.redis_link import RedisLink
from tests.chaos.zygote import Zygote
from tests.pending import pending
from tests.processes.running import clean_environment
from tests.stack import SMS_FROM
from tests.telnyx_events import Body

T = TypeVar("T")
SECONDS = 90.0
"""How long anything may take on a busy machine; no trial is about that."""
LEASE_ENDS = 8.0
MOST_ASKED = 5
LOOK = 0.03
PORTS = 20_000, 30_000
"""Below those that the system gives to others, so that nobody takes a port before its ingress does."""
INGRESS, WORKER, COMMAND = "ingress", "worker", "command"


_ports = itertools.cycle(range(PORTS[0] + os.getpid() % 90 * 100, PORTS[1]))


def low_port() -> int:
    """Return a port that nobody listens on."""
    for port in _ports:
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
    raise AssertionError("range has no end")


@dataclass
class Site:
    """What trials share: the server, a local Telnyx of their own, and the process that forks theirs."""

    socket: str
    simulator: Simulator
    simulator_port: int
    zygote: Zygote
    portal: BlockingPortal
    folder: Path


@dataclass
class Trial:
    """The processes of one life, and what it does with them."""

    site: Site
    name: str
    folder: Path
    handlers: str
    variables: dict[str, str] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    key: SigningKey = field(default_factory=SigningKey.generate)
    port: int = field(default_factory=low_port)
    victims: dict[str, Victim] = field(default_factory=dict)
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    arguments: dict[str, list[str]] = field(default_factory=dict)
    webhooks: int = 0
    starts: int = 0
    may_start: Callable[[str], bool] = lambda _: True
    """Whether a killed role is started again."""

    @property
    def simulator(self) -> Simulator:
        return self.site.simulator

    @property
    def public_url(self) -> str:
        return f"http://127.0.0.1:{self.webhooks}/webhooks"

    @property
    def client(self) -> telnyx.Telnyx:
        """The SDK, for what a life needs at Telnyx before it begins."""
        return telnyx.Telnyx(api_key="KEY", base_url=f"http://127.0.0.1:{self.site.simulator_port}/v2")

    def start(self, role: str, *arguments: str) -> None:
        """Start the process of a role. Arguments are kept for the next start."""
        if arguments:
            self.arguments[role] = list(arguments)
        self.starts += 1
        log = self.folder / f"{role}-{self.starts}.log"
        self.victims[role].pid = self.site.zygote.start(
            self.arguments[role], folder=self.folder, log=log, environment=self.environments[role]
        )
        self.watch.gone.discard(role)

    def start_worker(self) -> None:
        """Start a worker, and wait until it is ready."""
        self.start(WORKER, "worker")
        log = self.folder / f"{WORKER}-{self.starts}.log"
        self.until(lambda: log.exists() and b"worker ready" in log.read_bytes(), "a ready worker")

    def start_ingress(self) -> None:
        """Start an ingress, and wait until it takes webhooks."""
        self.start(INGRESS, "ingress")
        self.until(self._is_listening, "an ingress")

    def tend(self) -> None:
        """Start again what was killed, as an orchestrator or a person does."""
        if COMMAND in self.watch.refused and self.has_stopped(COMMAND):
            # A command says that it failed, and a person runs it again.
            self.watch.refused.discard(COMMAND)
            self.watch.gone.add(COMMAND)
        for role in sorted(self.watch.gone):
            if self.may_start(role):
                self.start(role)

    def arm(self, marker: str, points: Sequence[Point]) -> None:
        """Find the crash points from now on, or kill at these.

        A waiting worker has sent its claim before. Where the writes of claims count, await the next one.
        """
        self.watch.arm(marker, points)
        if not points or points[0].label.startswith("claim|"):
            self.until(lambda: self.watch.counts[WORKER, "claim", "lost"], "a new claim")

    def has_stopped(self, role: str) -> bool:
        """Return whether the process of a role has ended, and is not to be started again."""
        return role not in self.watch.gone and not Path(f"/proc/{self.victims[role].pid}").exists()

    def until(self, condition: Callable[[], T], what: str, *, seconds: float = SECONDS) -> T:
        """Return the first truthy answer of a condition. Meanwhile the killed are started again.

        Raises:
            TimeoutError: it did not come in time.
        """
        deadline = time.monotonic() + seconds
        while not (answer := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds} s in vain for {what}")
            self.tend()
            time.sleep(LOOK)
        return answer

    def deliver(self, body: Body) -> None:
        """Deliver an event as Telnyx does: again and again, until it is answered with 200."""
        raw = orjson.dumps(body)

        def is_taken() -> bool:
            headers = sign(raw, self.key, int(time.time()))
            with suppress(httpx.HTTPError):
                return (
                    httpx.post(self.public_url, content=raw, headers=headers, trust_env=False, timeout=5).status_code
                    == 200
                )
            return False

        self.until(is_taken, "a 200")

    def ask(self, work: Callable[[Store], Any]) -> Any:
        """Do some work with the store. A busy machine may take longer than a connection may."""
        for _ in range(MOST_ASKED):
            with suppress(RedisError):
                return ask_at(f"unix://{self.site.socket}", self.name, PLAIN, work)
        return ask_at(f"unix://{self.site.socket}", self.name, PLAIN, work)

    def audited(self, *, mend: bool) -> tuple[Audit, bool]:
        """Return an audit, and whether its counters had to be mended first, which is only done if asked for.

        The lease of one who was killed ends first.
        """
        deadline = time.monotonic() + LEASE_ENDS
        while not (found := self.ask(audit)).clean and time.monotonic() < deadline:
            time.sleep(LOOK)
        if found.clean or not mend:
            return found, False
        self.ask(lambda store: repair(store, found))
        return self.ask(audit), True

    def writes(self) -> dict[bytes, bytes]:
        """Return how often scripts came to each of their writes."""

        async def read(store: Store) -> dict[bytes, bytes]:
            return await pending(store.redis.hgetall(seen_key(self.name)))

        return dict(self.ask(read))

    def sent_to(self, number: str) -> list[Any]:
        """Return the messages that Telnyx took for a number, replays left out."""
        return [each for each in self.simulator.account.messages if each.to == number]

    def has_key(self, pattern: str) -> bool:
        """Return whether a key of the deployment matches a pattern."""

        async def matching(store: Store) -> bool:
            return bool([each async for each in store.redis.scan_iter(f"{store.namespace}:{pattern}", count=10_000)])

        return bool(self.ask(matching))

    def is_idle(self) -> bool:
        """Return whether no event is open."""
        return bool(self.ask(counts).open == 0)

    def miss(self, body: Body) -> None:
        """Let Telnyx have given up the delivery of an event a minute ago. The first start was long before."""
        began = time.time() - 60
        self.ask(lambda store: begin(store, began - 3600))
        tries = tuple(Attempt(self.public_url, began + n, began + n + 0.1, Exchange({})) for n in range(3))
        delivery = WebhookDelivery(f"delivery-{self.name}", body["data"], tries)
        self.simulator.account.webhook_deliveries.put(delivery)

    def kill_all(self) -> None:
        """End what runs."""
        for each in self.victims.values():
            each.kill()

    def _is_listening(self) -> bool:
        with suppress(httpx.HTTPError):
            url = f"http://127.0.0.1:{self.port}/readyz"
            return httpx.get(url, trust_env=False, timeout=5).status_code == 200
        return False


@contextmanager
def open_trial(site: Site, name: str, handlers: str, variables: dict[str, str]) -> Iterator[Trial]:
    """Open the links of a trial in a namespace of its own. Its processes are killed at the end."""
    folder = site.folder / name
    folder.mkdir()
    (folder / "my_handlers.py").write_text(handlers)
    site.simulator.reset()
    trial = Trial(site, name, folder, handlers, variables)
    with ExitStack() as stack:
        stack.callback(trial.kill_all)

        def open_link(link: Any) -> int:
            return stack.enter_context(site.portal.wrap_async_context_manager(listening(link)))

        for role in (INGRESS, WORKER, COMMAND):
            victim = trial.victims[role] = Victim()
            redis = open_link(RedisLink(role, site.socket, victim, trial.watch))
            api = open_link(HttpLink(role, ("127.0.0.1", site.simulator_port), victim, trial.watch, "telnyx"))
            trial.environments[role] = _environment(trial, redis, api)
        ingress = ("127.0.0.1", trial.port)
        trial.webhooks = open_link(HttpLink(INGRESS, ingress, trial.victims[INGRESS], trial.watch, "webhook"))
        # Only the command heals. A worker that knows the URL would heal beside it.
        trial.environments[COMMAND]["RINGBACK_PUBLIC_URL"] = trial.public_url
        yield trial


def _environment(trial: Trial, redis: int, api: int) -> dict[str, str]:
    ours = {
        "TELNYX_PUBLIC_KEY": public_key_text(trial.key),
        "TELNYX_API_KEY": "KEY",
        "TELNYX_BASE_URL": f"http://127.0.0.1:{api}/v2",
        "REDIS_URL": f"redis://127.0.0.1:{redis}",
        "RINGBACK_NAMESPACE": trial.name,
        "RINGBACK_PORT": str(trial.port),
        "RINGBACK_LEASE": "1s",
        "RINGBACK_GRACE": "2s",
        "RINGBACK_SMS_FROM": SMS_FROM,
        "HANDLERS": "my_handlers:router",
    }
    return clean_environment(**{**ours, **trial.variables})


def describe(points: Sequence[Point]) -> str:
    """Return points in one line."""
    return " + ".join(str(each) for each in points) or "none killed"
