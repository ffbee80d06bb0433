"""The traffic of a chaos run: each event is delivered until it is answered with 200, and some come again."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import count
from typing import Any

import orjson
from nacl.signing import SigningKey

from service.security.telnyx_signature import sign
from tests.chaos.deployment import now
from tests.chaos.stories import Story

TIMEOUT = 2.0
"""Seconds that Telnyx waits for an answer."""
URLS = ("/webhooks", "/webhooks/failover")
GIVE_UP = 180.0


@dataclass
class Traffic:
    """What is delivered, and how it was answered."""

    key: SigningKey
    ports: list[int]
    stories: Iterator[Story]
    pause: float
    told: list[Story] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    trouble: list[str] = field(default_factory=list)
    delivered: int = 0
    _turn: Iterator[int] = field(default_factory=count)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether everything was delivered."""
        return not any(each.is_alive() for each in self._threads)

    def run(self) -> None:
        """Deliver one story after the other."""
        with closing(Sender(self)) as sender:
            self._tell(sender)

    def _tell(self, sender: "Sender") -> None:
        while True:
            with self._lock:
                story = next(self.stories, None)
            if story is None or self.trouble:
                return
            for body, again in zip(story.bodies, story.again, strict=True):
                story.accepted.append(sender.insist(orjson.dumps(body)))
                for _ in range(again):
                    sender.insist(orjson.dumps(body))
            with self._lock:
                self.told.append(story)
                self.delivered += len(story.bodies)
            time.sleep(self.pause)

    def turn(self) -> tuple[int, str]:
        """Return the port and the URL of the next delivery."""
        number = next(self._turn)
        return self.ports[number % len(self.ports)], URLS[number // len(self.ports) % len(URLS)]


@dataclass
class Sender:
    """One of those that deliver, with connections of its own."""

    traffic: Traffic
    _connections: dict[int, HTTPConnection] = field(default_factory=dict)

    def insist(self, body: bytes) -> int:
        """Deliver an event until an ingress answers 200. Return when it did (ms since 1970)."""
        deadline = time.monotonic() + GIVE_UP
        while time.monotonic() < deadline:
            status, text = self._deliver(body, *self.traffic.turn())
            self.traffic.answers[status] += 1
            if status == 200:
                return now()
            if status not in (0, 503):
                self.traffic.trouble.append(f"an event was answered with {status} {text!r}")
                return now()
            time.sleep(0.05)
        self.traffic.trouble.append(f"an event was not accepted within {GIVE_UP:.0f} s")
        return now()

    def close(self) -> None:
        """Close the connections."""
        for each in self._connections.values():
            each.close()

    def _deliver(self, body: bytes, port: int, path: str) -> tuple[int, Any]:
        connection = self._connections.setdefault(port, HTTPConnection("127.0.0.1", port, timeout=TIMEOUT))
        try:
            connection.request("POST", path, body, sign(body, self.traffic.key, int(time.time())))
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException):
            connection.close()
            return 0, None


@contextmanager
def flowing(traffic: Traffic, connections: int) -> Iterator[Traffic]:
    """Deliver until everything is delivered."""
    traffic._threads.extend(threading.Thread(target=traffic.run) for _ in range(connections))
    for each in traffic._threads:
        each.start()
    try:
        yield traffic
    except BaseException:
        traffic.trouble.append("the run was broken off")
        raise
    finally:
        for each in traffic._threads:
            each.join()
