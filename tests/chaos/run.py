"""One chaos run: a deployment, its traffic, the faults of a seed, and the verdict."""

import base64
import math
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import orjson
from redis.exceptions import RedisError

from service.cli.connections import ask_at
from service.security.encryption import PLAIN
from service.store.inbox import accept
from service.store.inbox.accept import NewEvent
from service.store.inbox.healing import begin
from service.testing.simulator.api.call import RequestLog
from tests.chaos import progress, registrations
from tests.chaos.backends import Backend, open_backend
from tests.chaos.configured import HANDLERS, policy
from tests.chaos.customer import FORWARDED, Customer, open_customer
from tests.chaos.deployment import SKEW, Slot, deployed
from tests.chaos.proxy import open_proxy
from tests.chaos.schedule import Strike, plan
from tests.chaos.stories import stories
from tests.chaos.strikes import Strikes
from tests.chaos.traffic import Traffic, flowing
from tests.chaos.verdict import Verdict, doubled, judge_books, judging, reached, sms_by_number
from tests.processes import later_release
from tests.processes.fleet import Fleet, open_fleet
from tests.waiting import wait_for

ROLES = ("ingress", "ingress", "worker", "worker")
VARIABLES = {
    "RINGBACK_SMS_FROM": "+13125550199",
    "RINGBACK_POLICY": "policy.toml",
    "RINGBACK_SMS_PER_HOUR": "1000000",
    "RINGBACK_REPLIES_PER_HOUR": "1000000",
    "RINGBACK_REPLY_COUNTRIES": "US",
    "RINGBACK_LIMITS": "sms=1000",
    "RINGBACK_BODY_RETENTION": "5s",  # bodies are pruned during the run
    "RINGBACK_RETENTION": "10m",  # events of a long run expire
    "RINGBACK_DEAD_RETENTION": "10m",
    "RINGBACK_LEASE": "2s",
    "RINGBACK_FORWARD_TYPES": FORWARDED,
    "RINGBACK_FORWARD_SECRET": f"whsec_{base64.b64encode(bytes(range(32))).decode()}",
}
ENCRYPTED = {"RINGBACK_ENCRYPTION_KEY": base64.b64encode(bytes(range(32))).decode()}
"""What encrypted runs have besides. The run itself reads without the key."""
DRAIN = 600.0
"""Seconds that all work may take once the faults are over: an effect of unknown fate is looked up after 60 s."""
RECENT = 60.0
"""Seconds before the begin from which on missed events are healed."""
POLL = "ringback.cron.campaigns_poll"
EVENTS_A_MINUTE = 50_000
"""For each so many events, the quiet hours last a minute. In a short run they are over."""
MOST_REQUESTS = 10_000
"""Requests that the local Telnyx keeps in its log."""


def is_encrypted(seed: int) -> bool:
    """Return whether a run seals numbers and texts: every second one does."""
    return seed % 2 == 0


@dataclass
class Report:
    """What came of a run. `wrong` names every finding, and is empty where all of it held."""

    seed: int
    backend: str
    schedule: list[Strike]
    events: int = 0
    deliveries: Counter[int] = field(default_factory=Counter)
    strikes: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    sms: int = 0
    doubled: int = 0
    seconds: float = 0.0
    drained: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kept = "encrypted" if is_encrypted(self.seed) else "plain"
        kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(self.strikes.items()))
        lost = sum(each.endswith("is lost") for each in self.wrong)
        late = sum("after the 200" in each for each in self.wrong)
        return (
            f"seed {self.seed} ({self.backend}, {kept}): {self.events} events,"
            f" {self.strikes.total()} strikes ({kinds}),"
            f" {self.restarts} restarts, commands by exit code {dict(self.commands)},"
            f" deliveries by answer {dict(self.deliveries)}, {self.sms} SMS,"
            f" {self.doubled} doubled, {lost} lost, {late} intents after a STOP or a delivery,"
            f" {self.seconds:.0f} s, of which {self.drained:.0f} s after the last fault"
        )


def run(
    folder: Path,
    *,
    seed: int,
    events: int,
    backend: str = "server",
    between: int = 20,
    rate: float = 400,
    quiet: float = 0.0,
    seconds: float = math.inf,
    connections: int = 8,
    brief: bool = False,
) -> Report:
    """Run so many events, with a fault after every `between` events. The seed gives the same stories and faults.

    `rate` is stories a second at most, and `quiet` the share of those that send nothing. After so many `seconds`, no
    further event comes. Where `brief`, no handler of the later release is new. An event that needs one waits a minute
    for its worker.
    """
    report = Report(seed, backend, plan(seed, events, backend, between=between))
    began, verdict, customer = time.monotonic(), Verdict(), Customer()
    quiet_until = _full_minute(events // EVENTS_A_MINUTE)
    later = _build_later(folder / "later", brief=brief)
    with ExitStack() as stack:
        variables = {**VARIABLES, **(ENCRYPTED if is_encrypted(seed) else {})}
        fleet = stack.enter_context(open_fleet(folder, HANDLERS, **variables))
        (folder / "policy.toml").write_text(policy(quiet_until))
        fleet.simulator.request_log = RequestLog(MOST_REQUESTS)
        registrations.register(fleet.simulator)
        servers = stack.enter_context(open_backend(backend, folder, fleet))
        fleet.environment |= {"RINGBACK_REPLICAS": str(servers.replicas)}
        begun = time.time() - RECENT
        ask_at(servers.url(), servers.namespace, PLAIN, lambda store: begin(store, begun))
        telnyx = urlsplit(fleet.environment["TELNYX_BASE_URL"])
        link = stack.enter_context(open_proxy((str(telnyx.hostname), telnyx.port or 0)))
        fleet.environment["TELNYX_BASE_URL"] = f"http://127.0.0.1:{link.port}/v2"
        receiver = stack.enter_context(open_customer(customer))
        fleet.environment["RINGBACK_FORWARD_URL"] = f"http://127.0.0.1:{receiver.port}/webhooks"
        slots = [Slot(role, *servers.address(stack)) for role in ROLES]
        deployment = stack.enter_context(deployed(fleet, slots, later, seed))
        _read_campaigns(servers)
        traffic = Traffic(
            fleet.key,
            deployment.ports,
            # A worker whose clock is ahead ends the quiet hours earlier.
            stories(seed, events, quiet=quiet, quiet_until=int((quiet_until.timestamp() - SKEW) * 1000)),
            rate,
            told=verdict.take,
            opened=lambda: len(verdict.waiting),
            before=partial(registrations.prepare, fleet.simulator),
            reached=partial(reached, servers),
            seconds=seconds,
            connections=connections,
        )
        strikes = Strikes(deployment, servers, link, receiver, traffic)
        with progress.shown(folder, strikes, verdict, fleet.simulator), judging(verdict, servers):
            with flowing(traffic):
                strikes.run(report.schedule)
            fleet.simulator.clear_faults()
            strikes.end_commands()
            deployment.finish_deploys()
            strikes.finish()
            over = time.monotonic()
            _await_end(servers)
        _judge(report, fleet, servers, verdict)
        report.wrong += customer.judge(verdict.forwarded)
        report.drained = time.monotonic() - over
        report.events, report.deliveries, report.strikes = traffic.delivered, traffic.answers, strikes.counts
        report.restarts, report.commands = deployment.starts, strikes.exits
        report.wrong += [*traffic.trouble, *deployment.unexpected]
    report.seconds = time.monotonic() - began
    return report


def _full_minute(minutes: int) -> datetime:
    """Return a full minute that is over by the clock of each process, or one so many minutes later."""
    over = datetime.now(UTC) - timedelta(seconds=SKEW)
    return over.replace(second=0, microsecond=0) + timedelta(minutes=minutes)


def _build_later(folder: Path, *, brief: bool) -> Path:
    later = later_release.build(folder)
    if brief:
        news = later / "handlers" / "later_news.py"
        news.write_text(news.read_text().replace('"message.finalized"', '"test.no_story"'))
    return later


def _read_campaigns(servers: Backend) -> None:
    """Let a worker read all campaigns, so that their states are known before the first change."""
    body = orjson.dumps({"data": {"id": POLL, "event_type": POLL, "payload": {}}})
    ask = partial(ask_at, servers.url(), servers.namespace, PLAIN)
    ask(lambda store: accept.accept(store, [NewEvent(POLL, POLL, body, "cron")]))
    wait_for(lambda: ask(accept.counts).open == 0, seconds=DRAIN)


def _await_end(servers: Backend) -> None:
    """Wait until nothing is open."""

    def nothing_is_open() -> bool:
        with suppress(RedisError):
            return ask_at(servers.url(), servers.namespace, PLAIN, accept.counts).open == 0
        return False

    with suppress(AssertionError):
        wait_for(nothing_is_open, seconds=DRAIN)


def _judge(report: Report, fleet: Fleet, servers: Backend, verdict: Verdict) -> None:
    """Note every finding."""
    ask_at(servers.url(), servers.namespace, PLAIN, verdict.end)
    sms = sms_by_number(fleet.simulator)
    report.sms, report.doubled = sum(map(len, sms.values())), doubled(sms)
    report.wrong += [*verdict.wrong, *judge_books(verdict.sms, sms)]
