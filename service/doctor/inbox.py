"""Checks of the work: the queue, the workers, dead events, and what work is parked for."""

from service.doctor.deployment import Deployment
from service.doctor.finding import CheckFailed, Warned
from service.store.connection import server_time
from service.store.effects.blocks import Block, open_blocks
from service.store.inbox import maintenance
from service.store.inbox.audit import totals
from service.store.inbox.silence import TOLD_FOR, latest_silence
from service.store.inbox.workers import NO_WORKER
from service.store.key_types import keys_of_other_types

LATE, STALLED = 60.0, 600.0
"""Seconds that the first due event may wait before it is a warning, and a failure."""


async def queue(at: Deployment) -> str:
    """Look how long the first due event has been waiting."""
    found = await maintenance.queue(at.store)
    told = f"{found.due:,} of {found.length:,} events are due"
    if found.age > LATE:
        kind = CheckFailed if found.age > STALLED else Warned
        raise kind(
            f"{told}, and the first one has been waiting for {found.age:,.0f} s."
            " Next: see that a worker runs (`ringback worker`), or run another one"
        )
    return told


async def workers(at: Deployment) -> str:
    """Look for workers, and for those whose event loop is blocked."""
    if places := await maintenance.blocked_workers(at.store):
        raise CheckFailed(f"the event loop is blocked at {', '.join(places)}: call by await asyncio.to_thread(...)")
    number = (await maintenance.queue(at.store)).workers
    if not number:
        raise Warned(NO_WORKER)
    return f"no event loop is blocked, {number} running"


async def silence(at: Deployment) -> str:
    """Look for a time without a worker within the last days, as a restored backup has."""
    found = await latest_silence(at.store)
    if found is not None and await server_time(at.store.redis) - found.until < TOLD_FOR:
        raise Warned(found.description)
    return "workers ran all the time, as far as is remembered"


async def dead(at: Deployment) -> str:
    """Count the dead events."""
    number = (await totals(at.store)).counters.dead
    if number:
        raise Warned(
            f"{number:,} events are dead: `ringback dead list` shows why, `ringback dead retry` runs them again"
        )
    return "no event is dead"


async def blocks(at: Deployment) -> str:
    """Look what work is parked for."""
    found = await open_blocks(at.store)
    if not found:
        return "no work is parked"
    kind = CheckFailed if any(each.is_of_account for each in found) else Warned
    raise kind("; ".join(map(_told, found)))


async def key_types(at: Deployment) -> str:
    """Look for keys of ours that another program has overwritten."""
    if found := await keys_of_other_types(at.store):
        raise CheckFailed(
            f"{'; '.join(found)}: its work fails. Next: find who else writes under RINGBACK_NAMESPACE, then restore"
            " the key from a backup, or delete it"
        )
    return "every key has its type"


async def conservation(at: Deployment) -> str:
    """Compare the counters of events with each other. The whole comparison is `ringback audit`."""
    found = await totals(at.store)
    if found.difference:
        raise CheckFailed(f"the counters of events differ by {found.difference}: `ringback audit` names the events")
    return f"{found.counters.accepted:,} accepted events are all accounted for"


def _told(block: Block) -> str:
    return f"{block.name} parks {block.parked:,} events: {block.advice}"
