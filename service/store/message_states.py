"""The state of a message per recipient, and the right to send in its place: merged and taken in one step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import orjson
from redis.asyncio import Redis

from service.store.keys import Keys
from service.store.scripts import Argument, run, script

MESSAGE = script("message")

Purpose = Literal["note", "hold", "take", "sent"]


@dataclass(frozen=True, slots=True)
class Said:
    """What an event says of one recipient of a message; `effect` names the effect that would send in its place."""

    number: str
    status: str = ""
    carrier: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True)
class RecipientState:
    """What is known of one recipient of a message.

    `status` is the furthest one heard of. `right` says who may send in the message's place: the asking event, another
    one, or nobody yet. `held` is since when that waits (seconds since 1970). `begun`: it may have been sent already.
    `native`: the message itself went out as SMS or MMS. `doubled` is the carrier where it has just become known that
    the message was delivered and something was sent in its place too, which is answered once; else empty.
    """

    status: str
    right: Literal["granted", "taken", ""]
    held: float | None
    begun: bool
    native: bool
    doubled: str


async def merge(
    redis: "Redis",
    keys: Keys,
    message_id: str,
    said: Sequence[Said],
    *,
    keep: float,
    purpose: Purpose = "note",
    by: str = "",
    at: float = 0.0,
    message_type: str = "",
) -> dict[str, RecipientState]:
    """Merge what is said into the state of a message, which is then kept for `keep` seconds; answers it by recipient.

    `purpose` is what else is wanted: to `take` the right to send for the event `by` (not given once delivered or read
    is known, or another event has it), to `hold` what is to be sent from `at` on, or to say that it was `sent`.
    """
    args: list[Argument] = [keys.namespace, message_id, int(keep * 1000), purpose, by, int(at * 1000), message_type]
    for each in said:
        args += (orjson.dumps(keys.sealer.forms(each.number)), each.status, each.carrier, each.effect)
    answers: list[list[bytes]] = await run(redis, MESSAGE, *args)
    return {each.number: _state(answer) for each, answer in zip(said, answers, strict=True)}


def _state(answer: Sequence[bytes]) -> RecipientState:
    status, right, held, begun, native, doubled = (each.decode() for each in answer)
    return RecipientState(
        status=status,
        right=right,  # type: ignore[arg-type]
        held=int(held) / 1000 if held else None,
        begun=begun == "1",
        native=native == "1",
        doubled=doubled,
    )
