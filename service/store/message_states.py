"""The state of a message per recipient, and the right to send in its place: merged and taken in one step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from redis.asyncio import Redis

from service.store.keys import Keys
from service.store.scripts import run, script

MESSAGE = script("message")


@dataclass(frozen=True, slots=True)
class RecipientState:
    """The furthest status heard of, and whether the asking event may send in the message's place."""

    status: str
    right: Literal["granted", "taken", ""]


async def merge(
    redis: "Redis", keys: Keys, message_id: str, statuses: Mapping[str, str], *, keep: float, asked_by: str = ""
) -> dict[str, RecipientState]:
    """Merge statuses by recipient into the state, which is then kept for `keep` seconds.

    With `asked_by`, an event's id, the right to send in the message's place is taken for each recipient, unless
    delivered or read is known, or another event has it.
    """
    args: list[str | bytes | int] = [keys.namespace, message_id, int(keep * 1000), asked_by]
    for recipient, status in statuses.items():
        args += (recipient, status)
    answers = await run(redis, MESSAGE, *args)
    return {
        recipient: RecipientState(status.decode(), right.decode())
        for recipient, (status, right) in zip(statuses, answers, strict=True)
    }
