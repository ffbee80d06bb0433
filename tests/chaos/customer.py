"""The customer's own service in a chaos run, which gets some events as Telnyx sent them."""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import flask

from service.security.standard_webhooks import ID_HEADER
from tests.chaos.proxy import Proxy, open_proxy
from tests.handlers.receiving import served

FORWARDED = "test.forwarded"
"""The type of the events that the service gets."""
REFUSED = 7
"""One request of so many is answered with 503. It asks for a second: a 500 would be tried again minutes later."""


@dataclass
class Customer:
    """What arrived: the digests of the bodies by the id of the event."""

    digests: defaultdict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    _taken: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> flask.Response:
        """Note a request, unless it is one of those that fail."""
        # The server has a thread for each connection. They count together.
        with self._lock:
            self._taken += 1
            if self._taken % REFUSED == 0:
                return flask.Response(status=503, headers={"retry-after": "1"})
            self.digests[flask.request.headers[ID_HEADER]].add(digest(flask.request.get_data()))
        return flask.Response(status=200)

    def judge(self, expected: Mapping[str, bytes]) -> list[str]:
        """Return which events did not arrive, arrived with another body, or were not to be forwarded."""
        lost = [f"forwarded: {each} did not arrive" for each in expected if each not in self.digests]
        wrong = [
            f"forwarded: {each} arrived otherwise than it was sent"
            for each, digests in self.digests.items()
            if digests != {expected.get(each)}
        ]
        return lost + wrong


def digest(body: bytes) -> bytes:
    """Return what identifies a body."""
    return hashlib.sha256(body).digest()


@contextmanager
def open_customer(customer: Customer) -> Iterator[Proxy]:
    """Serve until the block ends, behind a proxy."""
    app = flask.Flask("customer")
    app.add_url_rule("/webhooks", view_func=customer.take, methods=["POST"])
    with served(app) as address, open_proxy(("127.0.0.1", int(address.rpartition(":")[2]))) as proxy:
        yield proxy
