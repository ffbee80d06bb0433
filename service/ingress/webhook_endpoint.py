"""Reception of one webhook: from the bytes of a request to an answer, with every check in its place.

The order spares work for unknown senders: the declared length and the form of the headers come before the body.
"""

import time
from dataclasses import dataclass, field
from logging import ERROR, WARNING
from typing import Any

import structlog
from starlette.types import Receive, Scope, Send

from service import clock
from service.events import PROBE_TYPE, Envelope, InvalidBody, read_envelope
from service.events.event import TRIGGER
from service.events.event_types import RAISED_HERE
from service.events.opt_out_words import opt_out_words
from service.ingress.answers import Answer, cycle_of, respond
from service.ingress.body_budget import BodyBudget, BodyReservation, NoRoom, TooSlow
from service.ingress.clock_watch import ClockWatch
from service.ingress.metrics import IngressMetrics
from service.ingress.refusal_log import RefusalLog, RewriteCheck, peer_of
from service.ingress.whole_requests import Answerable, Headers, WholeRequest
from service.ingress.wrong_address import WrongAddress
from service.security.telnyx_signature import (
    BEYOND_TOLERANCE,
    InvalidSignature,
    PublicKey,
    SignatureHeaders,
    read_signature_headers,
)
from service.settings import Settings
from service.settings.development_key import development_key_in
from service.store.inbox.accept import Acceptance, NewEvent
from service.store.inbox.group_commit import GroupCommit, NotAccepted

log = structlog.get_logger(__name__)

_LONGEST_LENGTH = 18
"""Digits. The first ones of a longer length are too many already."""
PROBED: tuple[str, Answer] = ("probe", {"status": "probe"})


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
    clock_watch: ClockWatch = field(default_factory=ClockWatch)

    def __post_init__(self) -> None:
        self._max_body = self.settings.max_body
        self._tolerance = int(self.settings.tolerance)
        self._keeps_signatures = self.settings.forward_url is not None
        self._probe_key = self.settings.probe_public_key()
        public_keys = self.settings.require_public_keys()
        self._development_key = development_key_in(self.settings, public_keys)
        self._keys = public_keys if self._probe_key is None else (*public_keys, self._probe_key)
        self._opt_out_words = opt_out_words(self.settings.policy)
        self._log = log.bind()  # once, since a lazy logger costs each webhook half a microsecond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Receive one request."""
        if scope["method"] != "POST":
            self.wrong_address.note(scope, 405, "method not allowed")
            await respond(send, 405, {"error": "only POST is answered here"})
            return
        began = time.perf_counter()
        try:
            status, reason, answer = 200, *await self._accepted(scope, receive)
        except (Refused, NotAccepted) as refusal:
            status, reason, answer = self.refuse(scope.get("client"), refusal)
        except Disconnected:
            return
        self.metrics.answered(status, reason, self.arrived_by, time.perf_counter() - began)
        await respond(send, status, answer)

    def take(self, request: WholeRequest) -> None:
        """Receive a request whose whole body is here, and answer it once its event is durable."""
        if request.is_abandoned:
            return
        delivery = PendingDelivery(self, request)
        try:
            self._check_length(len(request.body))
            signature = self._signature_headers(request.headers)
            self._reserve(delivery.reserved, len(request.body))
            delivery.arrival = self._read(signature, request.body)
            if delivery.arrival is None:
                delivery.answer(200, *PROBED)
            else:
                self._submit(delivery.arrival, delivery)
        except Exception as error:  # noqa: BLE001 - the delivery answers it
            delivery.set_exception(error)

    def refuse(self, client: tuple[str, int] | None, refusal: Refused | NotAccepted) -> tuple[int, str, Answer]:
        """Log a refusal. Return its status, its reason and the answer."""
        status, hints = (refusal.status, refusal.hints) if isinstance(refusal, Refused) else (503, {})
        # Telnyx alone can sign what is no JSON object: that is an event lost.
        level = ERROR if status == 400 else WARNING
        self.refusals.note(status, refusal.reason, peer_of(client), level=level, **hints)
        return status, refusal.reason, {"error": refusal.reason}

    async def _accepted(self, scope: Scope, receive: Receive) -> tuple[str, Answer]:
        self._check_length(_declared_length(scope["headers"]))
        signature = self._signature_headers(scope["headers"])
        with BodyReservation(self.budget) as reserved:
            body = await self._body(receive, reserved)
            arrival = self._read(signature, body)
            return PROBED if arrival is None else await self._accept(arrival, scope["headers"])

    async def _accept(self, arrival: NewEvent, headers: Headers) -> tuple[str, Answer]:  # noqa: ARG002 - for traces
        return self.note(arrival, await self.inbox.accept(arrival))

    def _submit(self, arrival: NewEvent, delivery: "PendingDelivery") -> None:
        self.inbox.submit(arrival, delivery)

    def _signature_headers(self, headers: Headers) -> SignatureHeaders:
        """Return the signature of a request."""
        now = clock.now()
        try:
            return read_signature_headers(headers, now, self._tolerance)
        except InvalidSignature as error:
            age = _age(headers, now)
            if age is not None and error.reason == BEYOND_TOLERANCE:
                self.clock_watch.note_refused(age)
            raise Refused(401, error.reason, **_clock_hint(age)) from None

    async def _body(self, receive: Receive, reserved: BodyReservation) -> bytes:
        try:
            if _is_complete(receive):
                return await self._chunks(receive, reserved)
            async with reserved.reading():
                return await self._chunks(receive, reserved)
        except NoRoom:
            raise _no_room() from None
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
            self._reserve(reserved, size)
            if more:
                reserved.expect_more()
            chunks.append(chunk)
        return b"".join(chunks)

    def _reserve(self, reserved: BodyReservation, size: int) -> None:
        """Reserve room for so many bytes of a body."""
        self._check_length(size)
        try:
            reserved.grow_to(size)
        except NoRoom:
            raise _no_room() from None

    def _check_length(self, size: int | None) -> None:
        if size is not None and size > self._max_body:
            raise Refused(413, f"body is larger than {self._max_body} bytes")

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

    def _read(self, signature: SignatureHeaders, body: bytes) -> NewEvent | None:
        """Return the event in a proven body, or None for a probe."""
        key = self._proven(signature, body)
        try:
            envelope = read_envelope(body, self._opt_out_words)
        except InvalidBody as error:
            raise Refused(400, error.reason) from None
        if key is self._probe_key:
            _require_probe(envelope)
            return None
        self.clock_watch.refused.clear()
        is_ours = key is self._development_key and envelope.type in RAISED_HERE
        arrived_by = TRIGGER if is_ours else self.arrived_by
        # Only a receiver of forwarded events has a use for signatures: without one they cost nothing.
        kept = signature if self._keeps_signatures else None
        return NewEvent.from_envelope(envelope, body, arrived_by, signature=kept, keep=self.settings.retention)

    def note(self, arrival: NewEvent, acceptance: Acceptance) -> tuple[str, Answer]:
        """Count what became of an event. Return the reason and the answer."""
        if acceptance.status == "accepted":
            self.metrics.accepted(arrival.type, arrival.occurred_at, clock.now())
        self._log.debug(acceptance.status, event_id=acceptance.event_id, type=arrival.type)
        return acceptance.status, {"status": acceptance.status}


class PendingDelivery:
    """A whole request that waits until its event is durable. It takes the result in place of a future."""

    __slots__ = ("_is_done", "_reception", "arrival", "request", "reserved")

    def __init__(self, reception: Reception, request: Answerable) -> None:
        self._reception = reception
        self.request = request
        self._is_done = False
        self.arrival: NewEvent | None = None
        self.reserved = BodyReservation(reception.budget)

    def done(self) -> bool:
        """Return whether it is answered, or nobody waits for the answer."""
        return self._is_done

    def set_result(self, acceptance: Acceptance) -> None:
        """Answer what became of the event."""
        try:
            if self.arrival is not None:
                self.answer(200, *self._reception.note(self.arrival, acceptance))
        except Exception as error:  # noqa: BLE001 - those behind it in the batch are answered too
            self.set_exception(error)

    def set_exception(self, error: Exception) -> None:
        """Answer a refusal, or 500 for a bug."""
        error = self._reception.inbox.explain(error)
        if isinstance(error, Refused | NotAccepted):
            self.answer(*self._reception.refuse(self.request.client, error))
        else:
            log.error("a webhook could not be answered", exc_info=error)
            self.answer(500, "internal error", {"error": "internal error"})

    def answer(self, status: int, reason: str, answer: Answer) -> None:
        """Send an answer, and count it."""
        if self._is_done:
            return
        self._is_done = True
        self.reserved.release()
        took = time.perf_counter() - self.request.began
        self._reception.metrics.answered(status, reason, self._reception.arrived_by, took)
        self.request.answer(status, answer)


def _is_complete(receive: Receive) -> bool:
    """Return whether the whole body is here, so that `receive` does not wait for the client."""
    cycle = cycle_of(receive)
    return cycle is not None and not cycle.more_body


def _declared_length(headers: Headers) -> int | None:
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value[:_LONGEST_LENGTH])
    return None


def _require_probe(envelope: Envelope) -> None:
    if envelope.type != PROBE_TYPE:
        raise Refused(401, "signature does not match", signed_by="probe key")


def _no_room() -> Refused:
    return Refused(503, "too many bodies are being read")


def _age(headers: Headers, now: float) -> int | None:
    """Return the age of the signature (s) by the request's own timestamp, if it has one."""
    for name, value in headers:
        if name == b"telnyx-timestamp" and value.isdigit() and len(value) <= 16:
            return int(now) - int(value)
    return None


def _clock_hint(age: int | None) -> dict[str, str]:
    return {} if age is None else {"signed": f"{abs(age)} s {'ago' if age >= 0 else 'ahead of this clock'}"}
