"""The last known status of messages to people, each with the event or the reading that it is from."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from service.events.message import REACHED
from service.security.encryption import Form
from service.store.store import Store, in_pages

SCAN = 500
"""Messages that one script looks at: a few milliseconds in which the server does nothing else."""
FAILED = frozenset({"delivery_failed", "sending_failed", "expired", "cancelled"})
"""Statuses of a message that its recipient does not get. Source: OpenAPI, `to[].status`."""
_READING = "telnyx"


@dataclass(frozen=True, slots=True)
class MessageRecipient:
    """One recipient of a message, and what is known of it.

    `number` is None where it is hidden under a key, or cannot be read. `at` is when the status was so, in seconds since
    1970. `event` is the event that says so, None for a reading at Telnyx (`is_reading`) or an unknown source. `instead`
    is the event that sent something in the message's place.
    """

    message_id: str
    types: tuple[str, ...]
    number: str | None
    status: str
    at: float | None
    event: str | None
    is_reading: bool = False
    carrier: str | None = None
    instead: str | None = None

    def __repr__(self) -> str:
        return f"MessageRecipient(message_id={self.message_id!r}, status={self.status!r})"

    @property
    def delivered(self) -> bool | None:
        """Whether the recipient has the message, None where nobody can tell. An accepted message is not delivered."""
        return is_delivered(self.status)


def is_delivered(status: str) -> bool | None:
    """Return whether a message of this status reached its recipient, or None where nobody can tell."""
    return True if status in REACHED else False if status in FAILED else None


async def status_of_message(store: Store, message_id: str) -> list[MessageRecipient]:
    """Return the recipients of a message, as far as they are known."""
    return _parse(await store.run("message_status", "", message_id), None)


async def status_by_number(
    store: Store, number: str, *, progress: Callable[[int], None] = lambda _: None
) -> AsyncIterator[MessageRecipient]:
    """Yield the number's part of every message whose state is kept. `progress` is called with numbers of messages.

    All states are looked through, since no index has an entry for each.
    """
    forms, seen = orjson.dumps(store.encryption.forms(number)), set[bytes]()
    beginning = len(store.keys.message(""))
    async for found in in_pages(store.redis.scan_iter(match=store.keys.message("*"), count=SCAN), SCAN):
        # A scan may bring a key twice.
        fresh = [key for key in dict.fromkeys(found) if key not in seen]
        seen.update(fresh)
        ids = [key[beginning:] for key in fresh]
        for each in _parse(await store.run("message_status", forms, *ids), number) if ids else []:
            yield each
        progress(len(found))


def _parse(answers: Sequence[Sequence[Any]], number: str | None) -> list[MessageRecipient]:
    return [
        _recipient(message_id.decode(errors="replace"), types.decode().split(",") if types else [], row, number)
        for message_id, types, *rows in answers
        for row in rows
    ]


def _recipient(message_id: str, types: Sequence[str], row: Sequence[bytes], number: str | None) -> MessageRecipient:
    form, status, source, carrier, sent, _ = (each.decode(errors="replace") for each in row)
    _, at, event = [*source.split(" ", 2), "", "", ""][:3]
    return MessageRecipient(
        message_id,
        tuple(types),
        number or Form(form).plain,
        status or "unknown",
        int(at) / 1000 if at.isdecimal() else None,
        event if event and event != _READING else None,
        is_reading=event == _READING,
        carrier=carrier or None,
        instead=sent or None,
    )
