"""One life in processes of its own, which are killed at its crash points and started again."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson
import telnyx
from nacl.signing import SigningKey
from redis.exceptions import RedisError

from service.security.encryption import PLAIN
from service.security.telnyx_signature import public_key_text, sign
from service.store.inbox.audit import Audit, audit, repair
from service.store.inbox.healing import begin
from service.store.store import Store
from service.testing.simulator import Simulator
from service.testing.simulator.webhooks.deliveries import Attempt, Exchange, WebhookDelivery
from tests.chaos.crash_points import Point, Watch
from tests.chaos.crash_site import Site, lease_seconds, low_port
from tests.chaos.half_written import seen_key
from tests.chaos.http_link import HttpLink
from tests.chaos.links import Victim, listening
from tests.chaos.redis_link import RedisLink
from tests.pending import pending
from tests.processes.running import clean_environment
from tests.stack import SMS_FROM
from tests.telnyx_events import Body

T = TypeVar("T")
SECONDS = 90.0
"""How long anything may take on a busy machine; no trial is about that."""
LEASE_ENDS = 7.0
"""Seconds after the end of a lease at which the next worker has surely made use of it."""
MOST_ASKED = 5
LOOK, LOOK_RARELY = 0.04, 0.5
"""Seconds between two looks, and at most: on a busy machine a wait is long, and its looks would make it longer."""
INGRESS, WORKER, COMMAND = "ingress", "worker", "command"


class EndedByItselfError(Exception):
    """A process ended that nobody had killed."""


@dataclass
class Trial:
    """The processes of one life, and what it does with them."""

    site: Site
    name: str
    folder: Path
    handlers: str
    variables: dict[str, str] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    lease: int = field(default_factory=lease_seconds)
    key: SigningKey = field(default_factory=SigningKey.generate)
    port: int = field(default_factory=low_port)
    victims: dict[str, Victim] = field(default_factory=dict)
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    arguments: dict[str, list[str]] = field(default_factory=dict)
    webhooks: int = 0
    _turn: threading.Lock = field(default_factory=threading.Lock)
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
        base_url = f"http://127.0.0.1:{self.site.simulator_port}/v2"
        return telnyx.Telnyx(api_key="KEY", base_url=base_url, http_client=self.site.http)

    def start(self, role: str, *arguments: str) -> None:
        """Start the process of a role. Arguments are kept for the next start."""
        if arguments:
            self.arguments[role] = list(arguments)
        victim = self.victims[role]
        victim.known.clear()
        victim.pid = 0
        # Before, since it may be killed at its first request.
        self.watch.gone.discard(role)
        try:
            victim.pid = self.site.zygote.start(
                self.arguments[role], folder=self.folder, log=self._log(role), environment=self.environments[role]
            )
        finally:
            victim.known.set()

    def start_worker(self) -> None:
        """Start a worker, and wait until it is ready."""
        self.start(WORKER, "worker")
        log = self._log(WORKER)
        self.until(lambda: log.exists() and b"worker ready" in log.read_bytes(), "a ready worker")

    def start_ingress(self) -> None:
        """Start an ingress, and wait until it takes webhooks."""
        self.start(INGRESS, "ingress")
        self.until(self._is_listening, "an ingress")

    def tend(self) -> None:
        """Start again what was killed, as an orchestrator does. Several threads may wait at once."""
        with self._turn:
            self._tend()

    def _tend(self) -> None:
        if COMMAND in self.watch.refused and self.has_stopped(COMMAND):
            # A command says that it failed, and a person runs it again.
            self.watch.refused.discard(COMMAND)
            self.watch.gone.add(COMMAND)
        for role in sorted(self.watch.gone):
            if self.victims[role].is_gone() and self.may_start(role):
                self.start(role)
        for role in (INGRESS, WORKER):
            if self.has_stopped(role):
                raise EndedByItselfError(f"the {role} ended by itself: {self._log(role).read_text()[-1000:]}")

    def arm(self, marker: str, points: Sequence[Point]) -> None:
        """Find the crash points from now on, or kill at these.

        A waiting worker has sent its claim before. Where the writes of claims count, await the next one.
        """
        self.watch.arm(marker, points)
        if not points or points[0].label.startswith("claim|"):
            self.until(lambda: self.watch.counts[WORKER, "claim", "lost"], "a new claim")

    def has_stopped(self, role: str) -> bool:
        """Return whether the process of a role has ended, and is not to be started again."""
        pid = self.victims[role].pid
        return pid != 0 and role not in self.watch.gone and not Path(f"/proc/{pid}").exists()

    def until(self, condition: Callable[[], T], what: str, *, seconds: float = SECONDS) -> T:
        """Return the first truthy answer of a condition. Meanwhile the killed are started again.

        Raises:
            TimeoutError: it did not come in time.
        """
        deadline, pause = time.monotonic() + seconds, LOOK
        while not (answer := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds} s in vain for {what}")
            self.tend()
            time.sleep(pause)
            pause = min(pause * 1.2, LOOK_RARELY)
        return answer

    def deliver(self, body: Body) -> None:
        """Deliver an event as Telnyx does: again and again, until it is answered with 200."""
        raw = orjson.dumps(body)

        def is_taken() -> bool:
            headers = sign(raw, self.key, int(time.time()))
            with suppress(httpx.HTTPError):
                return self.site.http.post(self.public_url, content=raw, headers=headers).status_code == 200
            return False

        self.until(is_taken, "a 200")

    def ask(self, work: Callable[[Store], Any]) -> Any:
        """Do some work with the store. A busy machine may take longer than a connection may."""
        store = Store(self.site.redis, self.name, PLAIN)
        for _ in range(MOST_ASKED):
            with suppress(RedisError):
                return self.site.portal.call(work, store)
        return self.site.portal.call(work, store)

    def audited(self, *, mend: bool) -> tuple[Audit, bool]:
        """Return an audit, and whether its counters had to be mended first, which is only done if asked for.

        The lease of one who was killed ends first. Whoever was killed last is started again for that.
        """
        found: Audit = self.ask(audit)

        def audit_again() -> Audit:
            nonlocal found
            found = self.ask(audit)
            return found

        with suppress(TimeoutError):
            self.until(lambda: not audit_again().differences, "events where they belong")
            self.until(lambda: audit_again().clean, "a clean audit", seconds=self.lease + LEASE_ENDS)
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
        """Return whether no event is open. A script that ends half-way may leave the counters off."""

        async def is_empty(store: Store) -> bool:
            return not await store.redis.exists(store.keys.queue)

        return bool(self.ask(is_empty))

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

    def _log(self, role: str) -> Path:
        """Return the log of a role, to which each of its processes writes."""
        return self.folder / f"{role}.log"

    def _is_listening(self) -> bool:
        with suppress(httpx.HTTPError):
            return self.site.http.get(f"http://127.0.0.1:{self.port}/readyz").status_code == 200
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
        "RINGBACK_LEASE": f"{trial.lease}s",
        "RINGBACK_GRACE": "2s",
        "RINGBACK_SMS_FROM": SMS_FROM,
        "HANDLERS": "my_handlers:router",
    }
    return clean_environment(**{**ours, **trial.variables})


def describe(points: Sequence[Point]) -> str:
    """Return points in one line."""
    return " + ".join(str(each) for each in points) or "none killed"
