"""The traffic of a chaos run: each event is delivered until it is answered with 200, and some come again."""

import asyncio
import math
import re
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import count

import orjson
import uvloop
from nacl.signing import SigningKey

from service.security.telnyx_signature import sign
from tests.chaos.deployment import now
from tests.chaos.story import Story, Wait

TIMEOUT = 2.0
"""Seconds that Telnyx waits for an answer."""
URLS = ("/webhooks", "/webhooks/failover")
GIVE_UP = 600.0
PAUSE, LONGEST_PAUSE = 0.05, 0.4
"""Seconds before an event is delivered again. Each pause is twice as long as the last one."""
MOST_OPEN = 10_000
"""Events that may be open. Beyond that, the traffic waits for the workers."""
LATER = 2_000
"""Stories after which some events come once more."""
LOOK_AGAIN = 0.2
"""Seconds between two looks at an event that a story waits for."""
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass
class Traffic:
    """What is delivered, and how it was answered.

    `rate` is stories a second at most, and none is begun after `seconds`. `told` takes each story once its events were
    accepted, and `opened` returns how many events are open. `before` prepares Telnyx for the event at a place of a
    story. `reached` returns whether an event of a story is as far as the story waits for.
    """

    key: SigningKey
    ports: list[int]
    stories: Iterator[Story]
    rate: float
    told: Callable[[Story], None]
    opened: Callable[[], int]
    before: Callable[[Story, int], None]
    reached: Callable[[Story, Wait], bool]
    seconds: float = math.inf
    connections: int = 48
    numbers: deque[str] = field(default_factory=lambda: deque(maxlen=500))
    """The numbers of the last stories."""
    answers: Counter[int] = field(default_factory=Counter)
    trouble: list[str] = field(default_factory=list)
    delivered: int = 0
    _late: deque[bytes] = field(default_factory=deque)
    _turn: Iterator[int] = field(default_factory=count)
    _alone: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _end: float = math.inf
    _thread: threading.Thread | None = None

    @property
    def ended(self) -> bool:
        """Whether everything was delivered."""
        return self._thread is None or not self._thread.is_alive()

    async def run(self) -> None:
        """Deliver all stories, each by one of the connections."""
        self._end = time.monotonic() + self.seconds
        try:
            await asyncio.gather(*(self._tell_all() for _ in range(self.connections)))
        except Exception as error:  # noqa: BLE001 - the thread of the run would end without a word
            self.trouble.append(f"the traffic ended with {error!r}")

    async def _tell_all(self) -> None:
        with closing(Sender(self)) as sender:
            while not self.trouble and time.monotonic() < self._end:
                if self.opened() > MOST_OPEN:
                    await asyncio.sleep(PAUSE)
                elif (story := next(self.stories, None)) is None:
                    break
                else:
                    began = time.monotonic()
                    await self._tell(story, sender)
                    await asyncio.sleep(max(0.0, began + self.connections / self.rate - time.monotonic()))
            while self._late:
                await sender.insist(self._late.popleft())

    async def _tell(self, story: Story, sender: "Sender") -> None:
        async with self._alone[story.alone] if story.alone else nullcontext():
            for place in range(len(story.bodies)):
                await self._await(story, place)
                story.ready.append(now())
                self.before(story, place)
                await self._tell_event(story, place, sender)
            await self._await(story, len(story.bodies))
        self.numbers.append(story.number)
        self.delivered += len(story.bodies)
        self.told(story)
        if len(self._late) > LATER:
            await sender.insist(self._late.popleft())

    async def _tell_event(self, story: Story, place: int, sender: "Sender") -> None:
        if story.missed:
            story.accepted.append(now())
            return
        raw = orjson.dumps(story.bodies[place])
        story.accepted.append(await sender.insist(raw))
        for _ in range(story.again[place]):
            await sender.insist(raw)
        if place == story.later:
            self._late.append(raw)

    async def _await(self, story: Story, place: int) -> None:
        """Wait until earlier events of a story are as far as the event at this place wants them to be."""
        deadline = time.monotonic() + GIVE_UP
        for wait in story.waits.get(place, ()):
            while not self.trouble and not await asyncio.to_thread(self.reached, story, wait):
                if time.monotonic() > deadline:
                    self.trouble.append(f"{story.kind}: {story.ids[wait.place]} was not {wait.until} in time")
                await asyncio.sleep(LOOK_AGAIN)

    def turn(self) -> tuple[int, str]:
        """Return the port and the URL of the next delivery."""
        number = next(self._turn)
        return self.ports[number % len(self.ports)], URLS[number // len(self.ports) % len(URLS)]


@dataclass
class Sender:
    """One of those that deliver, with connections of its own."""

    traffic: Traffic
    _connections: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=dict)

    async def insist(self, body: bytes) -> int:
        """Deliver an event until an ingress answers 200. Return when it did (ms since 1970)."""
        deadline, pause, trouble = time.monotonic() + GIVE_UP, PAUSE, self.traffic.trouble
        while time.monotonic() < deadline and not trouble:
            status, text = await self._deliver(body, *self.traffic.turn())
            self.traffic.answers[status] += 1
            if status == 200:
                return now()
            if status not in (0, 503):
                trouble.append(f"an event was answered with {status} {text!r}")
                return now()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        trouble.append(f"an event was not accepted within {GIVE_UP:.0f} s")
        return now()

    def close(self) -> None:
        """Close the connections."""
        for port in tuple(self._connections):
            self._drop(port)

    async def _deliver(self, body: bytes, port: int, path: str) -> tuple[int, bytes]:
        """Return status and text of the answer, or 0 where none came in time."""
        try:
            async with asyncio.timeout(TIMEOUT):
                if port not in self._connections:
                    self._connections[port] = await asyncio.open_connection("127.0.0.1", port)
                reader, writer = self._connections[port]
                writer.write(self._request(body, path))
                head = await reader.readuntil(b"\r\n\r\n")
                length = LENGTH.search(head)
                return int(head[9:12]), await reader.readexactly(int(length[1]) if length else 0)
        except (OSError, EOFError, TimeoutError):
            self._drop(port)
            return 0, b""

    def _request(self, body: bytes, path: str) -> bytes:
        headers = {**sign(body, self.traffic.key, int(time.time())), "content-length": str(len(body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{lines}\r\n".encode() + body

    def _drop(self, port: int) -> None:
        if (ends := self._connections.pop(port, None)) is not None:
            ends[1].transport.abort()


@contextmanager
def flowing(traffic: Traffic) -> Iterator[Traffic]:
    """Deliver in a thread until everything is delivered."""

    def deliver() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(traffic.run())

    traffic._thread = threading.Thread(target=deliver, name="traffic")
    traffic._thread.start()
    try:
        yield traffic
    except BaseException:
        traffic.trouble.append("the run was broken off")
        raise
    finally:
        traffic._thread.join()
