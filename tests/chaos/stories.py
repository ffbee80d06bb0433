"""The stories of a chaos run, as a seed tells them."""

import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from service.testing.samples import payload_in, sample
from tests.chaos.customer import FORWARDED
from tests.chaos.registrations import INCOMPLETE, MISSED, REJECTED, incomplete, rejected, stopped
from tests.chaos.story import Story
from tests.telnyx_events import Body, envelope, finalized_rcs, now, received_sms

LANE = 5
"""Events of one lane, which have to be handled in order."""
AREAS = (312, 773, 872, 708, 847, 630)
NUMBERS = 8_000_000
"""Numbers that are valid in each area."""
QUIET_HOURS = "failed in quiet hours"
QUIET = ("delivered", "sent by RCS", "received", "ignored", "discarded early", "forwarded")
"""Kinds of one event that sends nothing."""


def stories(seed: int, events: int, *, quiet: float = 0.0, quiet_until: int = 0) -> Iterator[Story]:
    """Yield stories of so many events in all. The same seed yields the same.

    Of these, a share of `quiet` are events that send nothing, as most are where Ringback runs. The quiet hours of some
    recipients end at `quiet_until` (ms since 1970).
    """
    chosen = random.Random(seed)
    kinds = [kind for kind, weight in _WEIGHTS.items() for _ in range(weight)]
    made = number = 0
    while made < events:
        number += 1
        story = _make(chosen, chosen.choice(QUIET if chosen.random() < quiet else kinds), number)
        made += len(story.bodies)
        if story.kind == QUIET_HOURS:
            story.quiet_until = quiet_until
        yield story


def _make(chosen: random.Random, kind: str, number: int) -> Story:
    area = AREAS[number // NUMBERS]
    phone = f"+1{area}{2_000_000 + number % NUMBERS:07d}"
    story = _MAKERS[kind](phone, str(uuid.UUID(int=chosen.getrandbits(128), version=4)))
    for body in (each for each in story.bodies if "data" in each):
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


def _single(kind: str, make: Callable[[str, str], Body], *, sms: int) -> Callable[[str, str], Story]:
    return lambda phone, message: Story(kind, phone, [make(phone, message)], sms, sms)


def _sent(phone: str, message: str) -> Body:
    return envelope("message.sent", finalized_rcs("sent", phone, id=message))


def _received(phone: str, _: str) -> Body:
    return envelope("message.received", received_sms(phone, "Is my table ready?"))


def _overdue(phone: str, message: str) -> Body:
    return envelope("message.sent", finalized_rcs("sent", phone, id=message, tags=["patient"]))


def _tagged(kind: str, tag: str) -> Callable[[str, str], Story]:
    def make(phone: str, message: str) -> Body:
        return envelope("message.finalized", finalized_rcs("delivery_failed", phone, id=message, tags=[tag]))

    return _single(kind, make, sms=1)


def _question(phone: str, _: str) -> Body:
    return envelope("message.received", received_sms(phone, "When do you open?"))


def _consents_again(phone: str, message: str) -> Story:
    # The STOP is older than the message. Otherwise no SMS may go out in its place, even after a START.
    said = datetime.now(UTC) - timedelta(seconds=2)
    bodies = [
        envelope("message.received", received_sms(phone, word, autoresponse_type=word, received_at=at.isoformat()))
        for word, at in (("STOP", said), ("START", said + timedelta(seconds=1)))
    ]
    return Story("STOP, START, then failed", phone, [*bodies, _failed(phone, message)], 1, 1)


def _whatsapp(phone: str, message: str) -> Body:
    payload = payload_in(sample("whatsapp.failed", number=phone))
    times = dict.fromkeys(("sent_at", "received_at", "completed_at"), now())
    return envelope("message.finalized", {**payload, **times, "id": message})


_MAKERS: Mapping[str, Callable[[str, str], Story]] = {
    "failed": _single("failed", _failed, sms=1),
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
    "emitted": _one("emitted", "test.emit", sms=1),
    "forwarded": _one("forwarded", FORWARDED, sms=0),
    QUIET_HOURS: _tagged(QUIET_HOURS, "quiet hours"),
    "failed, sent by a number pool": _tagged("failed, sent by a number pool", "number pool"),
    "scheduled": _one("scheduled", "test.plan", sms=1),
    "scheduled, then cancelled": lambda phone, _: Story(
        "scheduled, then cancelled", phone, [_mine("test.plan", phone), _mine("test.recall", phone)], 0, 1
    ),
    "in order": _lane,
    "discarded early": _other_type,
    "dead": _one("dead", "test.dead", sms=0, state="dead"),
    "ignored": _one("ignored", "test.unheard", sms=0, state="ignored"),
    "delivered": _single("delivered", _delivered, sms=0),
    "sent by RCS": _single("sent by RCS", _sent, sms=0),
    "received": _single("received", _received, sms=0),
    "STOP, START, then failed": _consents_again,
    "not delivered in time": _single("not delivered in time", _overdue, sms=1),
    "WhatsApp failed": _single("WhatsApp failed", _whatsapp, sms=1),
    "answered": _single("answered", _question, sms=1),
    "answered, then STOP": lambda phone, message: Story(
        "answered, then STOP", phone, [_question(phone, message), _stop(phone)], 0, 1, closes=1
    ),
    REJECTED: rejected,
    INCOMPLETE: incomplete,
    "sender stopped": stopped,
    MISSED: lambda phone, message: Story(MISSED, phone, [_failed(phone, message)], 1, 1, missed=True),
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
    "emitted": 1,
    "forwarded": 2,
    QUIET_HOURS: 1,
    "failed, sent by a number pool": 1,
    "scheduled": 1,
    "scheduled, then cancelled": 1,
    "in order": 1,
    "discarded early": 2,
    "dead": 1,
    "ignored": 3,
    "delivered": 1,
    "sent by RCS": 1,
    "received": 1,
    "STOP, START, then failed": 1,
    "not delivered in time": 1,
    "WhatsApp failed": 1,
    "answered": 1,
    "answered, then STOP": 1,
    REJECTED: 1,
    INCOMPLETE: 1,
    "sender stopped": 2,
    MISSED: 1,
}
