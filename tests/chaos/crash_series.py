"""Series of trials: the crash points of a life are found by running it, and then each is taken."""

import itertools
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from urllib.parse import urlsplit

from anyio.from_thread import start_blocking_portal

from service.processes import embedded_server
from service.store.connection import connect
from service.testing.simulator import Simulator, running
from tests.chaos.crash_points import AT_A_WRITE, Point
from tests.chaos.crash_site import Site, open_client
from tests.chaos.crash_trial import SECONDS, WORKER, EndedByItselfError, Trial, describe, open_trial
from tests.chaos.lives import (
    BulkRetried,
    DeadRetried,
    Fallback,
    Healed,
    Life,
    Retried,
    ScheduledFallback,
    WhatsAppFallback,
)
from tests.chaos.other_lives import Burst, Ordered
from tests.chaos.registration_lives import CampaignChange, CampaignProbe, NumberLost, RcsRejection, TollFreeChange
from tests.chaos.zygote import open_zygote

LIVES: dict[str, type[Life]] = {
    "fallback": Fallback,
    "scheduled": ScheduledFallback,
    "whatsapp": WhatsAppFallback,
    "retry": Retried,
    "dead retry": DeadRetried,
    "toll-free change": TollFreeChange,
    "campaign change": CampaignChange,
    "lost number": NumberLost,
    "campaign probe": CampaignProbe,
    "rcs rejection": RcsRejection,
    "heal": Healed,
    "bulk job": BulkRetried,
    "ordered": Ordered,
    "burst": Burst,
}
LANES = 4
TRIES = 2
"""A point that a run does not pass is tried again so often: a process does not ask the same at each run."""
REACHED_WITHIN = 5.0
"""Seconds for points that come after the life."""
BESIDE_THE_COUNTERS = re.compile(r"(HSET|DEL) event \d+$")
"""Writes at which a script may end between its counters and its mark. `ringback audit --repair` is for that.

It also removes what is left of an event that a worker raised half-way. Telnyx repeats a webhook, but nobody that event.
"""


@dataclass(frozen=True)
class Outcome:
    """What became of one trial."""

    life: str
    points: tuple[Point, ...]
    killed: tuple[Point, ...]
    wrong: tuple[str, ...]
    found: tuple[Point, ...] = ()
    repaired: bool = False

    def __str__(self) -> str:
        return f"{self.life}: {describe(self.points)}: {'; '.join(self.wrong)}"


@dataclass
class Series:
    """Lanes in which trials run at a time, on one server."""

    sites: "SimpleQueue[Site]" = field(default_factory=SimpleQueue)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def find(self, life: str) -> list[Point]:
        """Return the points that a life passes at each of two runs.

        Raises:
            AssertionError: the life went wrong without a kill.
        """
        first, second = self.run([(life, ())] * 2)
        assert (first.wrong, second.wrong) == ((), ()), (first.wrong, second.wrong)
        return sorted(set(first.found).intersection(second.found))

    def run(self, wanted: Sequence[tuple[str, tuple[Point, ...]]]) -> list[Outcome]:
        """Run lives, each killed at its points."""
        with ThreadPoolExecutor(LANES) as pool:
            return list(pool.map(lambda each: self._try(*each), wanted))

    def _try(self, life: str, points: tuple[Point, ...]) -> Outcome:
        for _ in range(TRIES):
            outcome = self._run(life, points)
            if outcome.wrong or len(outcome.killed) == len(points):
                return outcome
        return self._run(life, points)

    def _run(self, life: str, points: tuple[Point, ...]) -> Outcome:
        site = self.sites.get()
        try:
            return _run(site, f"trial{self._number()}", life, points)
        finally:
            self.sites.put(site)

    def _number(self) -> int:
        with self._turn:
            return next(self._numbers)


@contextmanager
def open_series(folder: Path) -> Iterator[Series]:
    """Start the server, the local Telnyx of each lane, and the process that forks all others."""
    series = Series()
    with ExitStack() as stack:
        server = stack.enter_context(embedded_server.start(folder / "data"))
        zygote = stack.enter_context(open_zygote())
        portal = stack.enter_context(start_blocking_portal(backend_options={"use_uvloop": True}))
        address = str(server.folder.socket)
        redis = connect(f"unix://{address}", timeout=SECONDS, connections=LANES)
        stack.enter_context(portal.wrap_async_context_manager(redis))
        http = stack.enter_context(open_client())
        for _ in range(LANES):
            simulator = Simulator()
            port = urlsplit(stack.enter_context(running(simulator))).port
            assert port is not None
            series.sites.put(Site(address, redis, simulator, port, zygote, portal, folder, http))
        yield series


def _run(site: Site, name: str, life_name: str, points: tuple[Point, ...]) -> Outcome:
    kind = LIVES[life_name]
    with open_trial(site, name, kind.handlers, kind.variables) as trial:
        for file, text in kind.files.items():
            (trial.folder / file).write_text(text)
        life = kind(trial)
        trial.may_start = life.may_start
        try:
            found = _live(trial, life, points)
        except (TimeoutError, EndedByItselfError) as error:
            return Outcome(life_name, points, tuple(trial.watch.killed), (str(error), *life.wrong()))
        wrong = life.wrong()
        audit, repaired = trial.audited(mend=any(map(_may_need_repair, points)))
        if not audit.clean:
            wrong.append(f"audit: {audit}")
        return Outcome(life_name, points, tuple(trial.watch.killed), tuple(wrong), tuple(found), repaired)


def _live(trial: Trial, life: Life, points: tuple[Point, ...]) -> list[Point]:
    """Let a life go from its begin to its end, and return the points that it passed."""
    life.arrange()
    trial.arm(life.event_id, points)
    life.begin()
    trial.until(life.is_over, "the end of the life")
    found = trial.watch.found(trial.writes(), life.most_times)
    with suppress(TimeoutError):  # the outcome says which were taken
        trial.until(lambda: not trial.watch.points, "the last point", seconds=REACHED_WITHIN)
    trial.until(life.is_over, "the end of the life")
    return found


def _may_need_repair(point: Point) -> bool:
    """Return whether a script that ends at this point may leave what `ringback audit --repair` is for."""
    is_raised = point.role == WORKER and point.label.startswith("accept")
    return point.mode in AT_A_WRITE and (is_raised or BESIDE_THE_COUNTERS.search(point.label) is not None)
