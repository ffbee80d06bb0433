"""What has to hold in a chaos run, by the books of Telnyx and by the store.

Each event is judged once it has ended, so that a long run keeps little of it, and events may expire meanwhile.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise

import orjson
from redis.exceptions import RedisError

from service.cli.connections import ask_at
from service.security.encryption import PLAIN
from service.store.effects.ledger import effects_of
from service.store.inbox import accept
from service.store.inbox.audit import PAGE, audit
from service.store.inbox.records import EventRecord
from service.store.store import Store
from service.testing.simulator import Simulator
from tests.chaos.backends import Backend
from tests.chaos.customer import digest
from tests.chaos.repeating import repeating
from tests.chaos.stories import LANE
from tests.chaos.story import Story, Wait

OFTEN = 0.5
"""Seconds between two looks at the events that have not been judged."""
MOST_AT_ONCE = 1_000
"""Events of one look. An open one is looked at again and again, which costs the server as much as to handle it."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a story that was told, and the state in which it has to end.

    `closed_at` is when the event that forbids later intents was answered with 200 (ms), or None. While its sender was
    `held`, it may write no intent.
    """

    event_id: str
    kind: str
    state: str
    closed_at: int | None
    held: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """The SMS that a number has to get: so many at least, and at most."""

    kind: str
    least: int
    most: int

    def is_met(self, texts: list[str]) -> bool:
        """Return whether these SMS are as many as expected."""
        return self.least <= len(texts) <= self.most

    def is_overtaken(self, texts: list[str]) -> bool:
        """Return whether an event of a lane was handled before an earlier one."""
        return self.most == LANE and any(later < earlier for earlier, later in pairwise(map(int, texts)))


@dataclass
class Verdict:
    """What was told, what is still to be judged, and each finding."""

    waiting: deque[Told] = field(default_factory=deque)
    sms: dict[str, Expected] = field(default_factory=dict)
    """What each number has to get. One that has to get nothing is missing."""
    forwarded: dict[str, bytes] = field(default_factory=dict)
    """The digest of the body of each event that the customer's service has to get."""
    wrong: list[str] = field(default_factory=list)
    judged: int = 0

    def take(self, story: Story) -> None:
        """Take over a story whose events were accepted."""
        if story.most:
            self.sms[story.number] = Expected(story.kind, story.least, story.most)
        if story.changes:
            told = self.sms.get(story.witness, Expected("changes told", 0, 0))
            self.sms[story.witness] = Expected(told.kind, told.least + story.changes, told.most + story.changes)
        if story.kind == "forwarded":
            self.forwarded |= zip(story.ids, (digest(orjson.dumps(each)) for each in story.bodies), strict=True)
        self.waiting.extend(Told(each, story.kind, story.state, story.closed_at, story.held) for each in story.ids)

    async def look(self, store: Store, *, at_end: bool = False) -> None:
        """Judge the events that have ended. At the end, each other one is a finding too.

        Raises:
            redis.exceptions.RedisError: Redis cannot be reached. What was not judged is judged later.
        """
        for _ in range(0, len(self.waiting) if at_end else min(len(self.waiting), MOST_AT_ONCE), PAGE):
            page = [self.waiting[place] for place in range(min(PAGE, len(self.waiting)))]
            answers: list[list[bytes]] = await store.run("audit_events", *(each.event_id for each in page))
            states = [answer[0].decode() for answer in answers]
            # A primary that is no longer one does not know the latest events. So a missing one is judged at the end.
            ended = [at_end or state not in ("", "open") for state in states]
            found = [
                finding
                for each, state, has_ended in zip(page, states, ended, strict=True)
                if has_ended
                for finding in await _findings(store, each, state)
            ]
            for each, has_ended in zip(page, ended, strict=True):
                self.waiting.popleft()
                if not has_ended:
                    self.waiting.append(each)
            self.judged += sum(ended)
            self.wrong += found

    async def end(self, store: Store) -> None:
        """Judge what is left, and audit."""
        await self.look(store, at_end=True)
        found = await audit(store)
        if not found.clean:
            self.wrong.append(f"the audit differs: {found.contradictions} {found.differences}")


async def _findings(store: Store, told: Told, state: str) -> list[str]:
    late = await _late_intents(store, told)
    if state == told.state:
        return late
    record = await accept.find(store, told.event_id)
    if record is None:
        return [f"{told.kind}: {told.event_id} is lost"]
    handlers = {name: (each.state, each.reason, each.error) for name, each in record.handlers.items()}
    return [f"{told.kind}: {told.event_id} is {record.state}, {handlers}", *late]


async def _late_intents(store: Store, told: Told) -> list[str]:
    """Return the intents that were written after the 200 of a STOP or delivery, or while nothing may be sent."""
    closed, held = told.closed_at, told.held
    if closed is None and held is None:
        return []
    intents = [each.last_at for each in await effects_of(store, told.event_id)]
    late = [
        f"{told.kind}: {told.event_id} wrote an intent {at - closed} ms after the 200"
        for at in intents
        if closed is not None and at > closed
    ]
    return late + [
        f"{told.kind}: {told.event_id} wrote an intent {at - held[0]} ms after it was held"
        for at in intents
        if held is not None and held[0] < at < held[1]
    ]


def sms_by_number(simulator: Simulator) -> dict[str, list[str]]:
    """Return the texts of the SMS that Telnyx took for each number, in the order of their acceptance."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for each in simulator.account.messages:
        found[each.to].append(each.text)
    return found


def doubled(sms: Mapping[str, list[str]]) -> int:
    """Return how many SMS Telnyx took beyond the first of each text to each number."""
    return sum(number - 1 for texts in sms.values() for number in Counter(texts).values())


def judge_books(expected: Mapping[str, Expected], sms: Mapping[str, list[str]]) -> list[str]:
    """Return what Telnyx's books show that should not be."""
    wrong = [f"nothing was due: {number} got {texts}" for number, texts in sms.items() if number not in expected]
    for number, each in expected.items():
        texts = sms.get(number, [])
        if not each.is_met(texts):
            wrong.append(f"{each.kind}: {number} got {len(texts)} SMS")
        if each.is_overtaken(texts):
            wrong.append(f"{each.kind}: {number} out of order, {texts}")
    return wrong


def reached(servers: Backend, story: Story, wait: Wait) -> bool:
    """Return whether an event of a story is as far as the story waits for. While Redis is away it is not."""
    event_id = story.ids[wait.place]
    with suppress(RedisError):
        found = ask_at(servers.url(), servers.namespace, PLAIN, lambda store: accept.find(store, event_id))
        return is_reached(found, wait)
    return False


def is_reached(record: EventRecord | None, wait: Wait) -> bool:
    """Return whether an event has ended, or a handler of it is held where that is waited for."""
    if record is None or record.state != "open":
        return record is not None
    return wait.until == "held" and any(each.state == "parked" for each in record.handlers.values())


@contextmanager
def judging(verdict: Verdict, servers: Backend) -> Iterator[None]:
    """Judge in a thread until the block ends. While Redis cannot be reached, events wait."""

    def judge() -> None:
        with suppress(RedisError):
            ask_at(servers.url(), servers.namespace, PLAIN, verdict.look)

    with repeating(judge, pause=OFTEN, name="judge"):
        yield
