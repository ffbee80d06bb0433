"""One chaos run: a deployment, its traffic, the faults of a seed, and the verdict."""

import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from service.cli.connections import ask_at
from service.security.encryption import PLAIN
from service.store.inbox import accept
from tests.chaos.backends import Backend, open_backend
from tests.chaos.deployment import Slot, deployed
from tests.chaos.proxy import open_proxy
from tests.chaos.schedule import Strike, plan
from tests.chaos.stories import HANDLERS, Story, stories
from tests.chaos.strikes import Strikes
from tests.chaos.traffic import Traffic, flowing
from tests.chaos.verdict import doubled, judge_books, judge_store, sms_by_number
from tests.processes import later_release
from tests.processes.fleet import Fleet, open_fleet
from tests.waiting import wait_for

ROLES = ("ingress", "ingress", "worker", "worker")
VARIABLES = {
    "RINGBACK_SMS_FROM": "+13125550199",
    "RINGBACK_SMS_PER_HOUR": "1000000",
    "RINGBACK_LIMITS": "sms=1000",
    "RINGBACK_BODY_RETENTION": "5s",  # bodies are pruned during the run
    "RINGBACK_LEASE": "2s",
}
DRAIN = 240.0
"""Seconds that all work may take once the faults are over: an effect of unknown fate is looked up after 60 s."""


@dataclass
class Report:
    """What came of a run. `wrong` names every finding, and is empty where all of it held."""

    seed: int
    backend: str
    schedule: list[Strike]
    events: int = 0
    deliveries: Counter[int] = field(default_factory=Counter)
    strikes: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    sms: int = 0
    doubled: int = 0
    seconds: float = 0.0
    drained: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(self.strikes.items()))
        lost = sum(each.endswith("is lost") for each in self.wrong)
        late = sum("after the 200" in each for each in self.wrong)
        return (
            f"seed {self.seed} ({self.backend}): {self.events} events, {self.strikes.total()} strikes ({kinds}),"
            f" {self.restarts} restarts, deliveries by answer {dict(self.deliveries)}, {self.sms} SMS,"
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
    pause: float = 0.02,
    brief: bool = False,
) -> Report:
    """Run so many events, with a fault after every `between` events. The seed gives the same stories and faults.

    Where `brief`, no handler of the later release is new. An event that needs one waits a minute for its worker.
    """
    report = Report(seed, backend, plan(seed, events, backend, between=between))
    began = time.monotonic()
    later = _build_later(folder / "later", brief=brief)
    with ExitStack() as stack:
        fleet = stack.enter_context(open_fleet(folder, HANDLERS, **VARIABLES))
        servers = stack.enter_context(open_backend(backend, folder, fleet))
        fleet.environment |= {"RINGBACK_REPLICAS": str(servers.replicas)}
        telnyx = urlsplit(fleet.environment["TELNYX_BASE_URL"])
        link = stack.enter_context(open_proxy((str(telnyx.hostname), telnyx.port or 0)))
        fleet.environment["TELNYX_BASE_URL"] = f"http://127.0.0.1:{link.port}/v2"
        slots = [Slot(role, *servers.address(stack)) for role in ROLES]
        deployment = stack.enter_context(deployed(fleet, slots, later, seed))
        traffic = Traffic(fleet.key, deployment.ports, stories(seed, events), pause)
        strikes = Strikes(deployment, servers, link, traffic)
        with flowing(traffic, connections=8):
            strikes.run(report.schedule)
        fleet.simulator.clear_faults()
        strikes.end_commands()
        deployment.finish_deploys()
        over = time.monotonic()
        _judge(report, fleet, servers, traffic.told)
        report.drained = time.monotonic() - over
        report.events, report.deliveries, report.strikes = traffic.delivered, traffic.answers, strikes.counts
        report.restarts = deployment.starts
        report.wrong += [*traffic.trouble, *deployment.unexpected]
    report.seconds = time.monotonic() - began
    return report


def _build_later(folder: Path, *, brief: bool) -> Path:
    later = later_release.build(folder)
    if brief:
        news = later / "handlers" / "later_news.py"
        news.write_text(news.read_text().replace('"message.finalized"', '"test.no_story"'))
    return later


def _judge(report: Report, fleet: Fleet, servers: Backend, told: list[Story]) -> None:
    """Wait until nothing is open, and note every finding."""
    url, namespace = servers.url(), servers.namespace

    def nothing_is_open() -> bool:
        with suppress(RedisError):
            return ask_at(url, namespace, PLAIN, accept.counts).open == 0
        return False

    with suppress(AssertionError):
        wait_for(nothing_is_open, seconds=DRAIN)
    sms = sms_by_number(fleet.simulator)
    report.sms, report.doubled = sum(map(len, sms.values())), doubled(sms)
    report.wrong += judge_books(told, sms)
    report.wrong += ask_at(url, namespace, PLAIN, lambda store: judge_store(store, told))
