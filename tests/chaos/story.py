"""One story of a chaos run: events that belong together, and what must come of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import orjson

from service.events.event import read_envelope
from service.outbound.gate import ACCOUNT_PROBE
from tests.telnyx_events import Body

PROBE_AFTER = int(ACCOUNT_PROBE * 1000)
"""Milliseconds from the begin of a block to its first probe."""


@dataclass(frozen=True)
class Wait:
    """The wait for an event of a story: until it has ended, or until its fallback is held."""

    place: int
    until: Literal["ended", "held"] = "ended"


@dataclass
class Story:
    """Some events, delivered one after the other, and the number of SMS to the story's own number.

    `closes` is the place of the event whose 200 forbids every later intent: a STOP, or a delivery. `accepted` holds for
    each event when it was answered with 200 (ms since 1970), `again` how often it comes once more at once, and `later`
    is the place of the event that comes again much later, or None.

    `alone` names a registration that no other story may change meanwhile. `waits` are by the place of the event that
    comes after them, and those of the end by the number of events. `ready` holds when they were over (ms). From the
    second event to the third, a story with `changes` may write no intent. Of each of these changes, one SMS tells the
    number `witness`. Until `quiet_until` (ms since 1970), its recipient has quiet hours. A `missed` story was delivered
    in vain, and waits for somebody who heals.
    """

    kind: str
    number: str
    bodies: list[Body]
    least: int
    most: int
    state: str = "done"
    closes: int | None = None
    alone: str | None = None
    waits: Mapping[int, tuple[Wait, ...]] = field(default_factory=dict)
    missed: bool = False
    witness: str = ""
    changes: int = 0
    quiet_until: int = 0
    again: list[int] = field(default_factory=list)
    later: int | None = None
    accepted: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """The ids of its events."""
        return [read_envelope(orjson.dumps(each)).identity for each in self.bodies]

    @property
    def closed_at(self) -> int | None:
        """When the event that forbids later intents was answered with 200 (ms), or None."""
        return None if self.closes is None else self.accepted[self.closes]

    @property
    def held(self) -> tuple[int, int] | None:
        """From when until when nothing may be sent (ms), or None: in quiet hours, or while its sender is stopped.

        A sender is held from the end of the first event, or from earlier on. So the first probe may be due before it is
        freed, but not before a probe's time has passed since the beginning.
        """
        if self.quiet_until:
            return (0, self.quiet_until)
        return (self.ready[1], min(self.ready[2], self.ready[0] + PROBE_AFTER)) if self.changes else None
