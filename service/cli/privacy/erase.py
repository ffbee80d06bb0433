"""`ringback erase`."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib import metadata

import typer

from service.cli.connections import with_redis
from service.cli.options import NumberArgument, YesOption, number_or_short_code
from service.cli.outages import redis_outage, through_outages
from service.cli.output import confirm, say
from service.cli.rich_output import progress
from service.outbound.phone_numbers import spellings_of
from service.security.masking import mask_number
from service.settings import load
from service.store.inbox import erasure
from service.store.inbox.accept import counts
from service.store.inbox.erasure import Erased
from service.store.store import Store

MOST_SHOWN = 10


def erase(number: NumberArgument, *, yes: YesOption = False) -> None:
    """Erase a number's data: bodies, texts in the ledger, states, cached answers.

    The events stay, without their content, so that nothing is accepted or sent again. A worker erases open events when
    they have ended. The number's opt-out or opt-in stays: as a keyed hash where RINGBACK_ENCRYPTION_KEY is set, else
    under the number itself. Telnyx's own records are not touched. Through an outage of Redis it waits, and goes on.

    Exit codes: 0 erased, 1 not confirmed, no Redis, or an unreadable body, 2 it is no number.
    """
    wanted = number_or_short_code(number)
    confirm(f"Erase all stored data of {mask_number(wanted)}? This cannot be undone.", yes=yes)
    erased, rewritten = with_redis(lambda store: _erase(store, spellings_of(wanted)))
    say(_receipt(wanted), *_told(erased, rewritten=rewritten))
    for event_id, why in erased.failed.items():
        say(f"{event_id}: cannot be read ({why}), so nobody can tell whether it names the number", err=True)
    if erased.unread:
        say(
            f"{len(erased.unread)} events are sealed under a key that RINGBACK_ENCRYPTION_KEY does not hold."
            " They may name the number: add the key, after a comma, and erase again.",
            err=True,
        )
    if erased.unread or erased.failed:
        raise typer.Exit(1)


async def _erase(store: Store, spellings: Sequence[str]) -> tuple[Erased, bool]:
    begun = Erased()
    with progress("Looking through events", (await counts(store)).accepted) as advance:
        erased = await through_outages(
            lambda: erasure.erase(store, *spellings, progress=advance, begun=begun), partial(redis_outage, store.redis)
        )
    return erased, await erasure.forget_old_writes(store.redis)


def _receipt(number: str) -> str:
    """Return the first line of the receipt: when, by which version, where, and for whom."""
    at, version = datetime.now(UTC), metadata.version("ringback")
    by = f"by Ringback {version} in {load().namespace}"
    return f"Receipt: erased {at:%Y-%m-%d %H:%M:%S} UTC {by}: {mask_number(number)}."


def _told(erased: Erased, *, rewritten: bool) -> Iterator[str]:
    """Yield the lines of the receipt: erased data, and data that stays."""
    yield f"Looked through {len(erased.looked_at)} events."
    yield f"Erased: {erased.bodies} bodies, the texts of {erased.effects} effects, {erased.states} message states,"
    yield f"  {erased.remembered} other things that were remembered of the number."
    if erased.still_open:
        more = len(erased.still_open) - MOST_SHOWN
        shown = ", ".join(erased.still_open[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
        yield f"Erased by a worker when they end: {len(erased.still_open)} open events, {shown}."
    if found := sorted(set(erased.still_found)):
        shown = ", ".join(found[:MOST_SHOWN])
        yield f"Still found by the number (events list --number): {len(found)} events, {shown}."
        yield "  They are open, or keep a digest of the number beside their type and outcome until they expire."
    yield "Kept of each erased event: its id, type and times, how its handlers ended, and which effects it had."
    yield "Not searched: backups, logs, exports, data that handlers store themselves, and Telnyx's records."
    if erased.opt_out == "hidden":
        yield "Kept, under a keyed hash: the number's opt-out or opt-in."
    if erased.opt_out == "plain":
        yield "Kept, under the number itself: its opt-out or opt-in. RINGBACK_ENCRYPTION_KEY hides it."
    if rewritten:
        yield "The server now rewrites its append-only file. Until then, the old one holds the erased data."
    else:
        yield "The server's append-only file holds the erased data until it is rewritten (BGREWRITEAOF)."
