"""Reception of one webhook: from the bytes of a request to an answer, with every check in its place.

The order spares work for unknown senders: the declared length and the form of the headers come before the body.
"""

import time
from dataclasses import dataclass, field
from functools import lru_cache
from logging import ERROR, WARNING
from typing import Any

import orjson
import structlog
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from service import clock
from service.events import PROBE_TYPE, Envelope, InvalidBody, read_envelope
from service.events.opt_out_words import opt_out_words
from service.ingress.body_budget import BodyBudget, BodyReservation, NoRoom, TooSlow
from service.ingress.http_protocol import AnswerTransport
from service.ingress.metrics import IngressMetrics
from service.ingress.refusal_log import RefusalLog, RewriteCheck, peer_of
from service.ingress.wrong_address import WrongAddress
from service.security.telnyx_signature import InvalidSignature, PublicKey, SignatureHeaders, read_signature_headers
from service.settings import Settings
from service.store.inbox.accept import NewEvent
from service.store.inbox.group_commit import GroupCommit, NotAccepted

log = structlog.get_logger(__name__)

_LONGEST_LENGTH = 18
"""Digits. The first ones of a longer length are too many already."""
UNREAD = frozenset({401, 405, 408, 413})
"""Answers that may come before the end of the body. The connection is closed, so nobody reads the rest."""


class Refused(Exception):
    """The answer is an error: its status, its reason, and for the log alone what may help."""

    def __init__(self, status: int, reason: str, **hints: Any) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.hints = hints


class Disconnected(Exception):
    """The client has gone. There is nobody to answer."""


@dataclass
class Reception:
    """An ASGI application that answers webhooks of one path. `arrived_by` is noted with each event."""

    settings: Settings
    inbox: GroupCommit
    metrics: IngressMetrics
    refusals: RefusalLog
    wrong_address: WrongAddress
    arrived_by: str = "webhook"
    budget: BodyBudget = field(default_factory=BodyBudget)
    rewrite_check: RewriteCheck = field(default_factory=RewriteCheck)

    def __post_init__(self) -> None:
        self._probe_key = self.settings.probe_public_key()
        public_keys = self.settings.require_public_keys()
        self._keys = public_keys if self._probe_key is None else (*public_keys, self._probe_key)
        self._opt_out_words = opt_out_words(self.settings.policy)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Receive one request."""
        if scope["method"] != "POST":
            self.wrong_address.note(scope, 405, "method not allowed")
            await respond(send, 405, {"error": "only POST is answered here"})
            return
        began = time.perf_counter()
        try:
            status, answer, reason = 200, *await self._accepted(scope, receive)
        except Refused as refusal:
            status, answer, reason = refusal.status, {"error": refusal.reason}, refusal.reason
            # Telnyx alone can sign what is no JSON object: that is an event lost.
            level = ERROR if status == 400 else WARNING
            self.refusals.note(status, reason, peer_of(scope.get("client")), level=level, **refusal.hints)
        except Disconnected:
            return
        self.metrics.answered(status, reason, self.arrived_by, time.perf_counter() - began)
        await respond(send, status, answer)

    async def _accepted(self, scope: Scope, receive: Receive) -> tuple[dict[str, str], str]:
        declared = _declared_length(scope)
        if declared is not None and declared > self.settings.max_body:
            raise Refused(413, f"body is larger than {self.settings.max_body} bytes")
        signature = self._signature_headers(scope)
        with BodyReservation(self.budget) as reserved:
            body = await self._body(receive, reserved)
            key = self._proven(signature, body)
            status = await self._store(key, signature, body)
        return {"status": status}, status

    def _signature_headers(self, scope: Scope) -> SignatureHeaders:
        now = clock.now()
        try:
            return read_signature_headers(scope["headers"], now, int(self.settings.tolerance))
        except InvalidSignature as error:
            raise Refused(401, error.reason, **_clock_hint(scope, now)) from None

    async def _body(self, receive: Receive, reserved: BodyReservation) -> bytes:
        try:
            if _is_complete(receive):
                return await self._chunks(receive, reserved)
            async with reserved.reading():
                return await self._chunks(receive, reserved)
        except NoRoom:
            raise Refused(503, "too many bodies are being read") from None
        except TooSlow:
            raise Refused(408, "body came too slowly") from None

    async def _chunks(self, receive: Receive, reserved: BodyReservation) -> bytes:
        chunks: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunk, more = message.get("body", b""), message.get("more_body", False)
            size += len(chunk)
            if size > self.settings.max_body:
                raise Refused(413, f"body is larger than {self.settings.max_body} bytes")
            reserved.grow_to(size)
            if more:
                reserved.expect_more()
            chunks.append(chunk)
        return b"".join(chunks)

    def _proven(self, signature: SignatureHeaders, body: bytes) -> PublicKey:
        try:
            return signature.prove(body, self._keys)
        except InvalidSignature as error:
            raise Refused(
                401,
                error.reason,
                keys_tried=[key.fingerprint for key in self._keys],
                **self.rewrite_check.hint(body),
                hint="check TELNYX_PUBLIC_KEY, and that nothing between Telnyx and here rewrites the body",
            ) from None

    async def _store(self, key: PublicKey, signature: SignatureHeaders, body: bytes) -> str:
        try:
            envelope = read_envelope(body, self._opt_out_words)
        except InvalidBody as error:
            raise Refused(400, error.reason) from None
        if key is self._probe_key:
            return _probe(envelope)
        # Only a receiver of forwarded events has a use for signatures: without one they cost nothing.
        kept = signature if self.settings.forward_url is not None else None
        try:
            acceptance = await self.inbox.accept(
                NewEvent.from_envelope(envelope, body, self.arrived_by, signature=kept, keep=self.settings.retention)
            )
        except NotAccepted as error:
            raise Refused(503, error.reason) from None
        if acceptance.status == "accepted":
            self.metrics.accepted(envelope.type, envelope.occurred_at, clock.now())
        log.debug(acceptance.status, event_id=acceptance.event_id, type=envelope.type)
        return acceptance.status


class WebhookApplication(Starlette):
    """Starlette, which hands webhooks on before its middleware and its router: those cost a tenth of a request."""

    receptions: dict[str, Reception]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        reception = self.receptions.get(scope["path"]) if scope["type"] == "http" else None
        if reception is None or scope.get("root_path") or self.user_middleware:
            await super().__call__(scope, receive, send)
        else:
            await reception(scope, receive, send)


async def respond(send: Send, status: int, answer: dict[str, str]) -> None:
    """Send a JSON answer."""
    body = orjson.dumps(answer)
    headers, whole = _answer(status, body)
    if status in UNREAD or not _answer_directly(send, whole):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@lru_cache(maxsize=64)
def _answer(status: int, body: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the headers of an answer, and the whole of it as its bytes on the wire."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    if status == 405:
        headers.append((b"allow", b"POST"))
    if status in UNREAD:
        headers.append((b"connection", b"close"))
    lines = [b"%b: %b\r\n" % header for header in headers]
    return headers, b"".join([STATUS_LINE[status], *lines, b"\r\n", body])


def _is_complete(receive: Receive) -> bool:
    """Return whether the whole body is here, so that `receive` does not wait for the client."""
    cycle = _cycle_of(receive)
    return cycle is not None and not cycle.more_body


def _answer_directly(send: Send, answer: bytes) -> bool:
    """Send a whole answer in one write. Return False and do nothing where it must go through `send`.

    uvicorn writes head and body one after the other, and examines each header again.
    """
    cycle = _cycle_of(send)
    if cycle is None or cycle.more_body or cycle.response_started or cycle.disconnected:
        return False
    if cycle.flow.write_paused or not cycle.keep_alive:
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(answer)
    cycle.message_event.set()
    cycle.on_response()
    return True


def _cycle_of(call: Receive | Send) -> RequestResponseCycle | None:
    """Return the request that a function belongs to. None behind a middleware, which has a function of its own."""
    cycle = getattr(call, "__self__", None)
    if isinstance(cycle, RequestResponseCycle) and isinstance(cycle.transport, AnswerTransport):
        return cycle
    return None


def _declared_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:_LONGEST_LENGTH])
    return None


def _probe(envelope: Envelope) -> str:
    if envelope.type != PROBE_TYPE:
        raise Refused(401, "signature does not match", signed_by="probe key")
    return "probe"


def _clock_hint(scope: Scope, now: float) -> dict[str, str]:
    """Return the age of the signature by the request's own timestamp, if it has one."""
    for name, value in scope["headers"]:
        if name == b"telnyx-timestamp" and value.isdigit() and len(value) <= 16:
            seconds = int(now) - int(value)
            return {"signed": f"{abs(seconds)} s {'ago' if seconds >= 0 else 'ahead of this clock'}"}
    return {}
