"""Handlers that an event does not concern: they are done before a run is made for them."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

import structlog

from service.settings import Settings
from service.store.effects.blocks import ALL
from service.store.inbox.handler_records import HandlerRecord, RunRecord
from service.store.inbox.leases import Lease
from service.subscription import Subscription
from service.worker.handler_runner import HandlerServices, log_outcome, read_for
from service.worker.outcomes import done, short

log = structlog.get_logger(__name__)


def discarded(
    services: HandlerServices, lease: Lease, names: Iterable[str], paused: AbstractSet[str]
) -> dict[str, HandlerRecord]:
    """Return by name the new records of those handlers whose `unless` gives a reason. All others have to run."""
    found: dict[str, HandlerRecord] = {}
    for name in names:
        subscription = services.router.subscriptions.get(name)
        if subscription is None or paused & {name, ALL}:
            continue
        reason = reason_against(subscription, lease, services.settings)
        if reason is not None:
            found[name] = _record(services, lease, name, reason)
    return found


def reason_against(subscription: Subscription, lease: Lease, settings: Settings) -> str | None:
    """Return why the event does not concern a handler. Where that fails, its run finds the same trouble."""
    if subscription.unless is None:
        return None
    try:
        reason = subscription.unless(read_for(subscription, lease, shared=True), settings)
        return None if reason is None else short(reason)
    except Exception:  # noqa: BLE001 - an author's own code
        return None


def _record(services: HandlerServices, lease: Lease, name: str, reason: str) -> HandlerRecord:
    event, before, now = lease.record, lease.record.handlers[name], lease.now()
    record = done(before, now, reason)
    waited = lease.claimed_at - max(before.due, event.due or event.received_at)
    services.metrics.count(name, record, 0.0, waited=waited)
    return log_outcome(log, record.after(RunRecord(now, now, "done", reason)), lease, name)
