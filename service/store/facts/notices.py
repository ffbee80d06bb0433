"""Notifications for people: noted by any worker, sent by one, grouped by cause across all of them."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from service.security.encryption import MissingEncryptionKey, SealDamaged, Sealer, place_of
from service.store.scripts import Argument
from service.store.store import Store

SHORTEST_PAUSE = 300.0
"""Seconds between two messages about one cause. The second has all occurrences meanwhile."""
LONGEST_PAUSE = 86400.0
MOST_ENTRIES = 50
"""Different entries of one cause. Others are only counted."""
TIMEOUT = 60.0
"""Seconds after which what a worker took to tell, and did not, is another's to tell."""
AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to send: the entries of a cause since the last, each with its number of occurrences.

    `stored` is the stored form. Entries that none of our keys opens stand there alone.
    `tries` counts how often it was taken, this time included. `others` counts the occurrences without an entry.
    """

    cause: str
    tries: int
    others: int
    entries: Mapping[bytes, int]
    stored: Mapping[bytes, int]


async def note(store: Store, cause: str, entry: bytes) -> bool:
    """Note an entry for a notification. Return whether the latest message did not have it."""
    pause = int(SHORTEST_PAUSE * 1000)
    return bool(
        await store.run("notice", cause, store.encryption.seal_alike(entry, _place(cause)), MOST_ENTRIES, pause)
    )


async def take(store: Store) -> list[Notice]:
    """Take the notifications that are due, for this worker to send."""
    answers = await store.run("notices_take", AT_ONCE, int(TIMEOUT * 1000))
    return [
        _notice(cause, tries, others, dict(zip(entries[::2], entries[1::2], strict=True)), store.encryption)
        for cause, tries, others, *entries in answers
    ]


async def record_sent(store: Store, notice: Notice) -> float:
    """Record that a notice was sent. Return the seconds until the next one about its cause may be sent."""
    args: list[Argument] = [notice.cause, int(SHORTEST_PAUSE * 1000), int(LONGEST_PAUSE * 1000)]
    args.append(notice.others)
    for entry, occurrences in notice.stored.items():
        args += (entry, occurrences)
    pause: int = await store.run("notice_sent", *args)
    return pause / 1000


def _notice(cause: bytes, tries: int, others: int, stored: Mapping[bytes, int], sealer: Sealer) -> Notice:
    entries: dict[bytes, int] = {}
    for entry, occurrences in stored.items():
        with suppress(MissingEncryptionKey, SealDamaged):
            entries[sealer.open(entry, _place(cause.decode()))] = occurrences
    return Notice(cause.decode(), tries, others, entries, stored)


def _place(cause: str) -> bytes:
    return place_of("notice", cause, "entry")
