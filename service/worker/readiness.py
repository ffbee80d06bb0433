"""Causes for which work is parked: in a worker's `/readyz`, in its metrics, and as a notification."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.monitoring.health import TIMEOUT
from service.monitoring.notifications import notify
from service.outbound.blocks import BlockNotice
from service.store.effects.blocks import ACCOUNT_KINDS, OUTAGE, Cause, kind_of, open_causes
from service.store.encryption_checks import trouble_with_encryption
from service.store.keys import Keys


@dataclass
class CauseMetrics:
    """How many causes are open, and how many events they hold."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    _kinds: set[str] = field(default_factory=lambda: {OUTAGE, *ACCOUNT_KINDS})
    """Those shown so far: a gauge keeps its last value, so that a kind with no cause left has to be set to 0."""

    def __post_init__(self) -> None:
        self._causes = Gauge(
            "ringback_causes", "Open causes for which work is parked.", ["kind"], registry=self.registry
        )
        self._parked = Gauge(
            "ringback_parked_events", "Events parked for an open cause.", ["kind"], registry=self.registry
        )

    def show(self, causes: Iterable[Cause]) -> None:
        """These are open now, and no others."""
        number, parked = Counter[str](), Counter[str]()
        for cause in causes:
            number[cause.kind] += 1
            parked[cause.kind] += cause.parked
        self._kinds.update(number)
        for kind in self._kinds:
            self._causes.labels(kind).set(number[kind])
            self._parked.labels(kind).set(parked[kind])


async def trouble_with_account(redis: "Redis", keys: Keys) -> str | None:
    """Return the step of a person before all parked work can go on; None where there is nothing to do.

    An outage at Telnyx asks for none: it passes.
    """
    try:
        async with asyncio.timeout(TIMEOUT):
            causes = await open_causes(redis, keys)
            encryption = await trouble_with_encryption(redis, keys)
    except (TimeoutError, RedisError, OSError):
        return "Redis does not say what work is parked for"
    troubles = [_in_words(cause) for cause in causes if cause.is_of_account]
    return "; ".join([*troubles, *([encryption] if encryption else [])]) or None


async def notify_of_cause(redis: "Redis", keys: Keys, notice: BlockNotice) -> None:
    """Let a person know what work is parked for, and what to do."""
    text = f"{notice.advice} ({notice.cause}: {notice.detail})"
    await notify(redis, keys, cause=f"work is parked ({kind_of(notice.cause)})", text=text, mend="ringback events list")


def _in_words(cause: Cause) -> str:
    since = datetime.fromtimestamp(cause.since / 1000, UTC).isoformat(timespec="seconds")
    return f"{cause.name} since {since}: {cause.advice}"
