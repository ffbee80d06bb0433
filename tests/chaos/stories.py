"""The stories of a chaos run: events that belong together, and what must come of them."""

import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.telnyx_events import envelope, finalized_rcs, received_sms

Body = dict[str, Any]
LANE = 5
"""Events of one lane, which have to be handled in order."""
AREAS = (312, 773, 872, 708, 847, 630)
NUMBERS = 8_000_000
"""Numbers that are valid in each area."""
REJECTED = "toll-free rejected"
QUIET = ("delivered", "sent by RCS", "received", "ignored", "discarded early")
"""Kinds of one event that sends nothing."""


@dataclass
class Story:
    """Some events, delivered one after the other, and the number of SMS to the story's own number.

    `closes` is the place of the event whose 200 forbids every later intent: a STOP, or a delivery. `accepted` holds for
    each event when it was answered with 200 (ms since 1970), `again` how often it comes once more at once, and `later`
    is the place of the event that comes again much later, or None.
    """

    kind: str
    number: str
    bodies: list[Body]
    least: int
    most: int
    state: str = "done"
    closes: int | None = None
    again: list[int] = field(default_factory=list)
    later: int | None = None
    accepted: list[int] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """The ids of its events."""
        return [each["data"]["id"] for each in self.bodies]

    @property
    def closed_at(self) -> int | None:
        """When the event that forbids later intents was answered with 200 (ms), or None."""
        return None if self.closes is None else self.accepted[self.closes]


def stories(seed: int, events: int, *, quiet: float = 0.0) -> Iterator[Story]:
    """Yield stories of so many events in all. The same seed yields the same.

    Of these, a share of `quiet` are events that send nothing, as most are where Ringback runs.
    """
    chosen = random.Random(seed)
    kinds = [kind for kind, weight in _WEIGHTS.items() for _ in range(weight)]
    made = number = 0
    while made < events:
        number += 1
        story = _make(chosen, chosen.choice(QUIET if chosen.random() < quiet else kinds), number)
        made += len(story.bodies)
        yield story


def _make(chosen: random.Random, kind: str, number: int) -> Story:
    area = AREAS[number // NUMBERS]
    phone = f"+1{area}{2_000_000 + number % NUMBERS:07d}"
    story = _MAKERS[kind](phone, str(uuid.UUID(int=chosen.getrandbits(128), version=4)))
    for body in story.bodies:
        body["data"]["id"] = str(uuid.UUID(int=chosen.getrandbits(128), version=4))
    story.again = [chosen.choice((0, 0, 0, 0, 1) if kind in QUIET else (0, 0, 0, 1, 2)) for _ in story.bodies]
    story.later = chosen.choice((None, None, None, 0))
    return story


def _failed(phone: str, message: str) -> Body:
    return envelope("message.finalized", finalized_rcs("delivery_failed", phone, id=message))


def _delivered(phone: str, message: str) -> Body:
    return envelope("message.finalized", finalized_rcs("delivered", phone, id=message))


def _stop(phone: str) -> Body:
    return envelope("message.received", received_sms(phone, "STOP", autoresponse_type="STOP"))


def _mine(event_type: str, phone: str, **fields: Any) -> Body:
    return envelope(event_type, {"phone_number": phone, **fields})


def _lane(phone: str, _: str) -> Story:
    bodies = [_mine("test.lane", phone, n=n) for n in range(LANE)]
    return Story("events in order", phone, bodies, LANE, LANE)


def _one(kind: str, event_type: str, *, sms: int, state: str = "done") -> Callable[[str, str], Story]:
    return lambda phone, _: Story(kind, phone, [_mine(event_type, phone)], sms, sms, state)


def _other_type(phone: str, message: str) -> Story:
    body = envelope("message.finalized", finalized_rcs("delivery_failed", phone, id=message, type="SMS"))
    return Story("discarded early", phone, [body], 0, 0)


def _quiet(kind: str, make: Callable[[str, str], Body]) -> Callable[[str, str], Story]:
    return lambda phone, message: Story(kind, phone, [make(phone, message)], 0, 0)


def _sent(phone: str, message: str) -> Body:
    return envelope("message.sent", finalized_rcs("sent", phone, id=message))


def _received(phone: str, _: str) -> Body:
    return envelope("message.received", received_sms(phone, "Is my table ready?"))


def _rejected(phone: str, request: str) -> Story:
    body = partial(envelope, "toll_free_verification.status_update", {"verificationRequestId": request})
    return Story(REJECTED, phone, [body(), body()], 1, 1)


_MAKERS: Mapping[str, Callable[[str, str], Story]] = {
    "failed": lambda phone, message: Story("failed", phone, [_failed(phone, message)], 1, 1),
    "failed, then delivered": lambda phone, message: Story(
        "failed, then delivered", phone, [_failed(phone, message), _delivered(phone, message)], 0, 1, closes=1
    ),
    "delivered, then failed": lambda phone, message: Story(
        "delivered, then failed", phone, [_delivered(phone, message), _failed(phone, message)], 0, 0, closes=0
    ),
    "failed, then STOP": lambda phone, message: Story(
        "failed, then STOP", phone, [_failed(phone, message), _stop(phone)], 0, 1, closes=1
    ),
    "STOP, then failed": lambda phone, message: Story(
        "STOP, then failed", phone, [_stop(phone), _failed(phone, message)], 0, 0, closes=0
    ),
    "sent": _one("sent", "test.send", sms=1),
    "sent slowly": _one("sent slowly", "test.slow", sms=1),
    "sent at the second attempt": _one("sent at the second attempt", "test.flaky", sms=1),
    "scheduled": _one("scheduled", "test.plan", sms=1),
    "scheduled, then cancelled": lambda phone, _: Story(
        "scheduled, then cancelled", phone, [_mine("test.plan", phone), _mine("test.recall", phone)], 0, 1
    ),
    "in order": _lane,
    "discarded early": _other_type,
    "dead": _one("dead", "test.dead", sms=0, state="dead"),
    "ignored": _one("ignored", "test.unheard", sms=0, state="ignored"),
    "delivered": _quiet("delivered", _delivered),
    "sent by RCS": _quiet("sent by RCS", _sent),
    "received": _quiet("received", _received),
    REJECTED: _rejected,
}
_WEIGHTS: Mapping[str, int] = {
    "failed": 6,
    "failed, then delivered": 3,
    "delivered, then failed": 2,
    "failed, then STOP": 3,
    "STOP, then failed": 2,
    "sent": 3,
    "sent slowly": 1,
    "sent at the second attempt": 1,
    "scheduled": 1,
    "scheduled, then cancelled": 1,
    "in order": 1,
    "discarded early": 2,
    "dead": 1,
    "ignored": 3,
    "delivered": 1,
    "sent by RCS": 1,
    "received": 1,
    REJECTED: 1,
}

HANDLERS = """
import asyncio

from handlers import router as built_in
from service import Context, Event, Router
from service.outcome import Dead

mine = Router()


async def _send(event: Event, ctx: Context, text: str) -> None:
    await ctx.telnyx.messages.send(to=event.payload["phone_number"], from_="+13125550199", text=text)


@mine.on("test.send")
async def send(event: Event, ctx: Context) -> None:
    await _send(event, ctx, "sent")


@mine.on("test.slow")
async def slow(event: Event, ctx: Context) -> None:
    await asyncio.sleep(1)
    await _send(event, ctx, "slowly")
    await asyncio.sleep(1)


@mine.on("test.flaky")
async def flaky(event: Event, ctx: Context) -> None:
    if ctx.attempt == 1:
        raise RuntimeError("the first attempt fails")
    await _send(event, ctx, "at last")


@mine.on("test.plan")
async def plan(event: Event, ctx: Context) -> None:
    await ctx.schedule("test.due", dict(event.payload), after=0.5, key=event.payload["phone_number"])


@mine.on("test.due")
async def due(event: Event, ctx: Context) -> None:
    await _send(event, ctx, "due")


@mine.on("test.recall")
async def recall(event: Event, ctx: Context) -> None:
    await ctx.cancel(event.payload["phone_number"])


@mine.on("test.lane", ordered_by="number")
async def lane(event: Event, ctx: Context) -> None:
    await _send(event, ctx, str(event.payload["n"]))


@mine.on("toll_free_verification.status_changed")
async def rejected(event: Event, ctx: Context) -> None:
    if event.payload["status"] == "Rejected":
        await ctx.telnyx.messages.send(to=event.payload["phone_numbers"][0], from_="+13125550199", text="rejected")


@mine.on("test.dead")
async def dead(event: Event, ctx: Context) -> None:
    raise Dead("hopeless", "no run can help")


router = Router(built_in, mine)
"""
