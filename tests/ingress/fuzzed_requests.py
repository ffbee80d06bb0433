"""Requests that nobody should send: webhooks with anything wrong, from one bit to the whole."""

import hashlib
import json
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from nacl.signing import SigningKey

from service.security.telnyx_signature import sign
from service.testing.samples import cases, sample
from tests.raw_http import LAST

NUMBER = "+13125550147"
PATHS = (b"/webhooks", b"/webhooks/", b"/webhooks/failover", b"/webhooks?a=%2f")
OTHER_PATHS = (b"/", b"/webhooks/x", b"//webhooks", b"/webhooks%2f", b"/WEBHOOKS", b"http://x/webhooks", b"*", b"/\xff")
ODD_HEADERS = (
    (b"expect", b"100-continue"),
    (b"expect", b"200-ok"),
    (b"connection", b"close"),
    (b"connection", b"upgrade"),
    (b"upgrade", b"h2c"),
    (b"upgrade", b"websocket"),
    (b"transfer-encoding", b"chunked"),
    (b"transfer-encoding", b"gzip, chunked"),
    (b"content-length", b"0"),
    (b"content-length", b"-1"),
    (b"content-length", b"+5"),
    (b"content-length", b"9" * 30),
    (b"content-length", b"2000000"),
    (b"telnyx-timestamp", b"0"),
    (b"telnyx-timestamp", b"\xb2\xb3"),
    (b"telnyx-signature-ed25519", b"AAAA"),
    (b"telnyx-signature-ed25519", b"=" * 88),
    (b"x-large", b"x" * 70_000),
    (b"x-\xff", b"\xff"),
    (b"", b"nameless"),
)
TEXTS = (
    b"\r\n",
    b"\n",
    b"\x00",
    b"\r",
    b": ",
    b" ",
    b"\xff\xfe",
    b"0\r\n\r\n",
    b"POST ",
    b"HTTP/1.0",
    b"{",
    b'"',
    b"\\ud800",
)

Pairs = list[tuple[bytes, bytes]]


def digest(body: bytes) -> bytes:
    """Return what tells a body from others."""
    return hashlib.sha256(body).digest()


@dataclass
class Requests:
    """Requests by a seed. `signed` holds digests of all bodies that were signed: nothing else may be stored.

    `requests` counts what was meant as one.
    """

    seed: int
    key: SigningKey
    signed: set[bytes] = field(default_factory=set)
    requests: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        bodies = [sample(name, number=NUMBER) for name in sorted(cases())]
        self._samples = [each for each in bodies if "data" in each]
        self._kinds: list[Callable[[], bytes]] = [
            *[self.valid] * 4,
            *[self.chunked] * 2,
            *[self.with_odd_headers] * 3,
            *[self.forged] * 2,
            *[self.odd_json] * 2,
            *[self.elsewhere] * 2,
            *[self.damaged] * 4,
            self.noise,
        ]

    def connection(self) -> tuple[bytes, bool]:
        """Return all that goes over one connection, and whether each of it is a request by the rules."""
        follows_rules = self.rng.random() < 0.5
        number = self.rng.randint(1, 4)
        self.requests += number + 1
        kinds = (self.valid, self.chunked) if follows_rules else self._kinds
        return b"".join(self.rng.choice(kinds)() for _ in range(number)) + LAST, follows_rules

    def pieces(self, data: bytes) -> list[bytes]:
        """Return data in pieces: some, or each of its bytes."""
        if len(data) < 3000 and self.rng.random() < 0.05:
            return [data[at : at + 1] for at in range(len(data))]
        cuts = sorted(self.rng.sample(range(len(data)), min(len(data), self.rng.randint(1, 6))))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    def valid(self) -> bytes:
        """A webhook as Telnyx sends it."""
        body = self._body()
        return self._request(self._signed(body), body)

    def chunked(self) -> bytes:
        """The same in chunks, with extensions and a trailer."""
        body = self._body()
        head = [each for each in self._signed(body) if each[0] != b"content-length"]
        sizes, rest, chunks = self.rng.choice((1, 7, 100, 5000)), body, []
        while rest:
            size = self.rng.randint(1, sizes * 2)
            part, rest = rest[:size], rest[size:]
            chunks.append(b"%x%b\r\n%b\r\n" % (len(part), self.rng.choice((b"", b"", b";a=b")), part))
        trailer = self.rng.choice((b"", b"", b"telnyx-timestamp: 1\r\n"))
        return self._request(
            [*head, (b"transfer-encoding", b"chunked")], b"".join(chunks) + b"0\r\n" + trailer + b"\r\n"
        )

    def with_odd_headers(self) -> bytes:
        """A webhook with some headers more, fewer, twice, or otherwise."""
        body = self._body()
        head = self._signed(body)
        for _ in range(self.rng.randint(1, 3)):
            at = self.rng.randrange(len(head)) if head else 0
            act = self.rng.randrange(5)
            if act == 0 and head:
                del head[at]
            elif act == 1 and head:
                head.append(head[at])
            elif act == 2 and head:
                head[at] = (head[at][0].upper(), b"  " + head[at][1] + b"\t")
            elif act == 3:
                head += [(b"x-%d" % each, b"1") for each in range(self.rng.choice((5, 95, 200)))]
            else:
                head.insert(at, self.rng.choice(ODD_HEADERS))
        return self._request(head, body)

    def forged(self) -> bytes:
        """A webhook whose body is not the one that was signed, or signed by another, or long ago."""
        body = self._body()
        act = self.rng.randrange(3)
        if act == 0:
            return self._request(self._signed(body), self._mutated(body)[: len(body)].ljust(len(body), b" "))
        if act == 1:
            return self._request(self._headers(sign(body, SigningKey.generate(), int(time.time())), body), body)
        # A request that a busy machine delays by a second must not become younger than the limit of 300 seconds.
        age = self.rng.choice((-301, -400, 900, 10**6))
        return self._request(self._headers(sign(body, self.key, int(time.time()) + age), body), body)

    def odd_json(self) -> bytes:
        """A signed body that is no event, or hardly one."""
        body = self._mutated(self._body())
        if self.rng.random() < 0.3:
            body = self.rng.choice((b"", b"[]", b"null", b"NaN", b'{"data":1}', b"[" * 3000, b"{}", b"\xef\xbb\xbf{}"))
        return self._request(self._signed(body), body)

    def elsewhere(self) -> bytes:
        """A request for another path, or by another method."""
        body = self._body()
        method = self.rng.choice((b"POST", b"GET", b"PUT", b"OPTIONS", b"DELETE", b"CONNECT", b"FOO"))
        return self._request(self._signed(body), body, method=method, path=self.rng.choice((*OTHER_PATHS, *PATHS)))

    def damaged(self) -> bytes:
        """A webhook with some of its bytes changed, wherever they are."""
        return self._mutated(self.rng.choice((self.valid, self.chunked))())

    def noise(self) -> bytes:
        """Bytes that are no request."""
        return self.rng.randbytes(self.rng.randint(1, 300))

    def _body(self) -> bytes:
        body = self.rng.choice(self._samples)
        data = {**body["data"], "id": str(uuid.UUID(int=self.rng.getrandbits(128), version=4))}
        return json.dumps({**body, "data": data}).encode()

    def _signed(self, body: bytes) -> Pairs:
        self.signed.add(digest(body))
        return self._headers(sign(body, self.key, int(time.time())), body)

    def _headers(self, signature: dict[str, str], body: bytes) -> Pairs:
        return [
            (b"host", b"localhost"),
            *((name.encode(), value.encode()) for name, value in signature.items()),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]

    def _request(self, head: Pairs, body: bytes, *, method: bytes = b"POST", path: bytes | None = None) -> bytes:
        path = self.rng.choice(PATHS) if path is None else path
        lines = b"".join(b"%b: %b\r\n" % each for each in head)
        return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method, path, lines, body)

    def _mutated(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self.rng.choice((1, 1, 2, 5))):
            at = self.rng.randrange(len(changed) + 1)
            act = self.rng.randrange(4)
            if act == 0 and at < len(changed):
                changed[at] ^= 1 << self.rng.randrange(8)
            elif act == 1:
                del changed[at : at + self.rng.randint(1, 20)]
            elif act == 2:
                changed[at:at] = self.rng.choice(TEXTS)
            else:
                changed[at:at] = changed[at : at + self.rng.randint(1, 40)]
        return bytes(changed)
