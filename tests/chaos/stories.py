"""The stories of a chaos run: events that belong together, and what must come of them."""

import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.telnyx_events import envelope, finalized_rcs, received_sms

Body = dict[str, Any]
LANE = 5
"""Events of one lane, which have to be handled in order."""


@dataclass
class Story:
    """Some events, delivered one after the other, and the number of SMS to the story's own number.

    `closes` is the place of the event whose 200 forbids every later intent: a STOP, or a delivery. `accepted` holds for
    each event when it was answered with 200 (ms since 1970), `again` how often it comes once more.
    """

    kind: str
    number: str
    bodies: list[Body]
    least: int
    most: int
    state: str = "done"
    closes: int | None = None
    again: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """The ids of its events."""
        return [each["data"]["id"] for each in self.bodies]

    @property
    def closed_at(self) -> int | None:
        """When the event that forbids later intents was answered with 200 (ms), or None."""
        return None if self.closes is None else self.accepted[self.closes]


def stories(seed: int, events: int) -> Iterator[Story]:
    """Yield stories of so many events in all. The same seed yields the same."""
    chosen = random.Random(seed)
    kinds = [kind for kind, weight in _WEIGHTS.items() for _ in range(weight)]
    made = number = 0
    while made < events:
        number += 1
        story = _make(chosen, chosen.choice(kinds), number)
        made += len(story.bodies)
        yield story


def _make(chosen: random.Random, kind: str, number: int) -> Story:
    phone = f"+1312{2_000_000 + number:07d}"
    story = _MAKERS[kind](phone, str(uuid.UUID(int=chosen.getrandbits(128), version=4)))
    for body in story.bodies:
        body["data"]["id"] = str(uuid.UUID(int=chosen.getrandbits(128), version=4))
    story.again = [chosen.choice((0, 0, 0, 1, 2)) for _ in story.bodies]
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


@mine.on("test.dead")
async def dead(event: Event, ctx: Context) -> None:
    raise Dead("hopeless", "no run can help")


router = Router(built_in, mine)
"""
