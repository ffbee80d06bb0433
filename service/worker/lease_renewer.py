"""The lease renewer: a thread with its own connection that renews leases and watches the event loop.

The event loop may be blocked by a handler, so that only a thread can keep the leases. The log names such a handler. Its
event keeps its lease until shortly after its time-out, and other events keep theirs longer. Ended handlers are recorded
from here.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

import structlog
from redis.exceptions import RedisError

from service.store.connection import connect_blocking
from service.store.inbox.leases import FINISHED_AT_ONCE, HandlerResults, HeldLease, finishing, renewal
from service.store.inbox.workers import SIGN_EVERY, WorkerSign, WorkerState
from service.store.redis_errors import describe_cause
from service.store.scripts import is_script_error, run_blocking
from service.store.store import Store
from service.worker.held_leases import ActiveEvent, HeldLeases
from service.worker.loop_watch import FIRST_LOGGED, LoopWatch
from service.worker.metrics import TimesRecorder

log = structlog.get_logger(__name__)

RETRY_PAUSE = 0.2
MAX_COMMAND = 2.0
MAX_TICK = 0.5


class LeaseRenewer(threading.Thread):
    """Renews every third of a lease or 5 s. After an error of Redis it renews as soon as that is back.

    Each renewal is also the worker's sign to the others, and carries its counts. `sign` describes the worker.
    """

    def __init__(
        self, url: str, store: Store, leases: HeldLeases, watch: LoopWatch, *, sign: WorkerSign, times: TimesRecorder
    ) -> None:
        super().__init__(name="lease keeper", daemon=True)
        self._store = store
        self._leases = leases
        self._watch = watch
        self._redis = connect_blocking(url, timeout=min(MAX_COMMAND, leases.lease / 3))
        self._ended = threading.Event()
        self._sign, self._times = sign, times
        # At once, so that the worker is known from its start on.
        self._next = time.monotonic()
        self._overdue: dict[tuple[str, str], HeldLease] = {}
        self._endings: list[HandlerResults] = []
        self._reported_blocked = False
        self._trouble = ""

    def run(self) -> None:
        """Renew until `end` is called."""
        while not self._rest():
            self._watch.look()
            self._abandon_overdue()
            if time.monotonic() >= self._next:
                pause = min(self._leases.lease / 3, SIGN_EVERY) if self._record_and_renew() else RETRY_PAUSE
                self._next = time.monotonic() + pause
        self._redis.close()

    def end(self) -> None:
        """Stop the thread. Leases are no longer renewed."""
        self._ended.set()

    def _rest(self) -> bool:
        """Wait for work, and return whether the thread is to end."""
        self._watch.rest()
        return self._ended.wait(min(MAX_TICK, max(0.0, self._next - time.monotonic())))

    def _abandon_overdue(self) -> None:
        """Abandon the leases of overdue events at the next renewal, which is now."""
        for running in list(self._leases.running.values()):
            if not running.lost and running.is_overdue():
                running.lost = True
                self._abandon(running)
                self._next = time.monotonic()
        if self._is_blocked() != self._reported_blocked:
            self._next = time.monotonic()

    def _abandon(self, running: ActiveEvent) -> None:
        lease, starved = running.lease, running.is_starved()
        ended = dict(running.ended)
        if ended or starved:
            self._endings.append(HandlerResults.of(lease, ended, release=starved, sealer=self._store.encryption))
        if starved:
            return
        blocking_run = running.blocking_run()
        about = {"handler": blocking_run.handler, "place": self._leases.blockage.place} if blocking_run else {}
        held = HeldLease(lease.record.id, lease.token, "overdue", about)
        self._overdue[held.event_id, held.token] = held

    def _is_blocked(self) -> bool:
        return self._leases.blockage.seconds() >= FIRST_LOGGED

    def _record_and_renew(self) -> bool:
        """Record ended handlers of abandoned leases, then renew. Return whether Redis took it."""
        try:
            while self._endings:
                # Before the renewal, which gives these leases up: without a lease nothing is recorded.
                now, later = self._endings[:FINISHED_AT_ONCE], self._endings[FINISHED_AT_ONCE:]
                self._record(now)
                self._endings = later
            self._renew()
        except (RedisError, OSError) as error:
            if describe_cause(error) != self._trouble:
                self._trouble = describe_cause(error)
                log.warning("leases not renewed", error=self._trouble)
            return False
        self._trouble = ""
        return True

    def _record(self, endings: Sequence[HandlerResults]) -> None:
        """Record ended handlers. One that a damaged record refuses must not keep the others, nor their leases."""
        try:
            run_blocking(self._redis, "finish", self._store.keys.counts, *finishing(endings))
        except RedisError as error:
            if not is_script_error(error):
                raise
            if len(endings) > 1:
                for each in endings:
                    self._record([each])
            else:
                log.error("results of a damaged event were not recorded", event_id=endings[0].lease.record.id)

    def _renew(self) -> None:
        asked_at = time.monotonic()
        # Asked for before what runs, so that no claim answered in between looks as if its events did not run.
        answered = self._leases.answered()
        held = [*self._leases.held(), *self._overdue.values()]
        is_blocked, blockage = self._is_blocked(), self._leases.blockage
        times = self._times.take()
        args = renewal(
            self._leases.worker,
            held,
            lease=self._leases.lease,
            answered=answered,
            blocked=(blockage.seconds(), blockage.place) if is_blocked else None,
            sign=self._current_sign(answered),
            times=times,
        )
        try:
            lost: list[bytes] = run_blocking(self._redis, "renew", self._store.keys.counts, *args)
        except BaseException:
            self._times.give_back(times)
            raise
        self._reported_blocked = is_blocked
        gone = {event_id.decode() for event_id in lost}
        self._leases.renewed((each for each in held if each.event_id not in gone), asked_at=asked_at)
        self._announce_lost(each for each in held if each.event_id in gone or each.renewal_action == "overdue")
        self._overdue = {}

    def _current_sign(self, answered: int) -> WorkerSign:
        """Return the sign of this moment. A worker that has claimed nothing yet opens its handlers' lifespans."""
        state: WorkerState = "stopping" if self._leases.stopping else "working" if answered else "starting"
        return replace(self._sign, running=len(self._leases.running), state=state)

    def _announce_lost(self, lost: Iterable[HeldLease]) -> None:
        for each in lost:
            try:
                self._watch.loop.call_soon_threadsafe(self._leases.lose_lease, each.event_id, each.token)
            except RuntimeError:
                return  # the loop has ended, and with it whatever ran
