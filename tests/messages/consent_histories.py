"""Random histories of one number each: STOP, START, refusals, failures, retries and timers, in any order of arrival.

What decides is real: the envelope, the script that accepts, the built-in handlers as the worker runs them, consent,
message states and scheduled events in a real Redis. What is made up is Telnyx, and the passing of time. An independent
witness notes every SMS that goes out although Ringback has been told of a STOP and of no START after it, or of a STOP
since the message that the SMS stands for was sent.
"""

import asyncio
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import httpx
import orjson
import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from telnyx import APIConnectionError, APIStatusError, NotFoundError

from service import clock
from service.events import read_envelope
from service.events.consent import ConsentChange
from service.outbound.errors import STOP
from service.outbound.gate import Gate
from service.routing import Router
from service.settings import Settings
from service.store.facts.consent import record_consent
from service.store.inbox.accept import NewEvent, accept, find
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import Lease
from service.store.inbox.records import EventRecord
from service.store.scripts import script
from service.store.store import LENGTH_BYTES, Store
from service.worker.handler_runner import HandlerServices, run_handler
from service.worker.held_leases import ActiveEvent
from service.worker.metrics import HandlerMetrics
from tests.pending import pending

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()
FAILED = ("delivery_failed", "sending_failed", "expired")
WAYS = ("sms", "rcs", "tapped", "marked")
DERIVED = ("schedule", "emit")
MOST_RUNS = 6
AT_ONCE = 400
"""Histories that go on side by side: their commands share round trips."""

history_now: ContextVar["History"] = ContextVar("history_now")


class PipeliningRedis(Redis):
    """Sends the commands of all who wait in one pipeline, and lets a history see which events it has scheduled."""

    def __init__(self, url: str) -> None:
        super().__init__(connection_pool=BlockingConnectionPool.from_url(url, max_connections=4))
        self.auto_close_connection_pool = True
        self._waiting: deque[tuple[tuple[Any, ...], asyncio.Future[Any]]] = deque()
        self._flushing: asyncio.Task[None] | None = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((args, answer))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        if args[:2] == ("EVALSHA", script("accept").digest) and (history := history_now.get(None)) is not None:
            length = int.from_bytes(args[4][:LENGTH_BYTES])
            history.announced.append(args[4][LENGTH_BYTES : LENGTH_BYTES + length].decode())
        return await answer

    async def _flush(self) -> None:
        while self._waiting:
            # All who are about to ask shall share the round trip.
            await asyncio.sleep(0)
            batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
            pipeline = self.pipeline(transaction=False)
            for args, _ in batch:
                pipeline.execute_command(*args)
            for (_, answer), result in zip(batch, await pipeline.execute(raise_on_error=False), strict=True):
                if isinstance(result, Exception):
                    answer.set_exception(result)
                else:
                    answer.set_result(result)
        self._flushing = None


@dataclass
class Pending:
    """A handler that is to run, or to run again, for an event."""

    record: EventRecord
    handler: str
    runs: int = 0


@dataclass
class History:
    """One number's story, told from a seed."""

    seed: int
    world: "World"
    now: float = NOON
    blocked: set[str] = field(default_factory=set)
    in_flight: list[dict[str, Any]] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    told: list[tuple[str, float]] = field(default_factory=list)
    sent_at: dict[str, float] = field(default_factory=dict)
    sms: list[str] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)
    derived: set[str] = field(default_factory=set)
    keys_seen: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)
    stops: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.number = f"+1312{self.seed:07d}"
        self.ids = (f"{self.seed}-{number}" for number in itertools.count(1))

    async def unfold(self) -> None:
        """Live through it, and let everything arrive and run at the end."""
        history_now.set(self)
        for _ in range(self.rng.randint(4, 10)):
            self.now += self.rng.uniform(0.5, 60)
            await self.rng.choices((self._speak, self._fail, self._arrive, self._work), (4, 2, 5, 5))[0]()
        while self.in_flight or self.pending:
            await self.rng.choice((self._arrive, self._work))()

    async def _speak(self) -> None:
        """The person says STOP or START; Telnyx hears it where it is an SMS, and its webhook may be lost."""
        said, way = self.rng.choice(("STOP", "STOP", "START")), self.rng.choice(WAYS)
        if way in ("sms", "marked"):
            (self.blocked.add if said == "STOP" else self.blocked.discard)("profile-1")
        if self.rng.random() < 0.85:
            self.in_flight.append(self._event("message.received", _said(self.number, said, way, self.now)))

    async def _fail(self) -> None:
        """An RCS message has not reached the person, or is under way: then a timer waits for its delivery."""
        message_id, sent_at = next(self.ids), self.now - self.rng.uniform(1, 60)
        self.sent_at[f"about {message_id}"] = datetime.fromisoformat(_iso(sent_at)).timestamp()
        status = self.rng.choice((*FAILED, "sent"))
        payload = {
            "id": message_id,
            "direction": "outbound",
            "type": "RCS",
            "messaging_profile_id": self.rng.choice(("profile-1", "profile-2")),
            "to": [{"phone_number": self.number, "status": status}],
            "body": {"text": f"about {message_id}"},
            "sent_at": _iso(sent_at),
        }
        event_type = "message.sent" if status == "sent" else "message.finalized"
        self.in_flight.append(self._event(event_type, payload))

    async def _arrive(self) -> None:
        """A webhook arrives, in no order, and perhaps again later."""
        if not self.in_flight:
            return
        data = self.in_flight[place := self.rng.randrange(len(self.in_flight))]
        if self.rng.random() < 0.85:
            del self.in_flight[place]
        body = orjson.dumps({"data": data})
        arrival = NewEvent.from_envelope(read_envelope(body), body, "webhook")
        [acceptance] = await accept(self.world.store, [arrival])
        if acceptance.status == "accepted":
            if data["event_type"] == "message.received":
                self._was_told("in" if b"START" in body.upper() else "out", data["payload"]["received_at"])
            self._due(acceptance.event_id, data["event_type"], body, "webhook")

    async def _work(self) -> None:
        """A handler runs; put off or failed, it runs again at some later time."""
        if not self.pending:
            return
        due = self.pending.pop(self.rng.randrange(len(self.pending)))
        if due.record.id in self.derived and await self._called_off(due.record.id):
            return
        token = f"{self.seed}:{next(self.ids)}"
        await self.world.lease(due.record.id, token)
        lease = Lease(due.record, token, alone=False, claimed_at=int(self.now * 1000))
        running = ActiveEvent(lease, timeout=30, held_until=float("inf"))
        after = await run_handler(self.world.services, running, due.handler)
        await self._take_up_timers()
        if not after.ended and due.runs < MOST_RUNS:
            record = replace(due.record, handlers={due.handler: after})
            self.pending.append(Pending(record, due.handler, due.runs + 1))

    async def _take_up_timers(self) -> None:
        """What a handler has scheduled is due at some later time, as it stands in Redis."""
        while self.announced:
            found = await find(self.world.store, self.announced.pop())
            if found is not None and found.arrived_by in DERIVED and found.id not in self.derived:
                self.derived.add(found.id)
                self._due(found.id, found.type, found.body or b"", found.arrived_by)

    async def _called_off(self, event_id: str) -> bool:
        found = await find(self.world.store, event_id)
        return found is None or found.state != "open"

    def asked(self, message: dict[str, Any], key: str | None) -> tuple[int, str]:
        """Telnyx is asked to send an SMS: how it answers (0: not at all), and with which code."""
        if key is not None and key in self.keys_seen:
            return 200, ""
        luck = self.rng.random()
        if luck < 0.1:
            return self.rng.choice(((0, ""), (500, "10007"), (429, "10011"))) if luck < 0.08 else (422, "40310")
        if message.get("messaging_profile_id") in self.blocked:
            self.told.append(("out", self.now))
            return self.rng.choice((400, 403, 409)), STOP
        self._witness(message)
        if key is not None:
            self.keys_seen.add(key)
        return (0, "") if self.rng.random() < 0.05 else (200, "")

    def _witness(self, message: dict[str, Any]) -> None:
        self.sms.append(message["text"])
        latest_out = max((at for said, at in self.told if said == "out"), default=None)
        latest_in = max((at for said, at in self.told if said == "in"), default=None)
        if latest_out is not None and (latest_in is None or latest_out >= latest_in):
            self.violations.append(f"history {self.seed}: an SMS {message['text']!r} after a STOP")
        elif latest_out is not None and latest_out >= self.sent_at[message["text"]]:
            self.violations.append(f"history {self.seed}: an SMS {message['text']!r} that a STOP had called off")

    def _was_told(self, said: str, at: str) -> None:
        self.told.append((said, datetime.fromisoformat(at).timestamp()))
        self.stops += said == "out"

    def _due(self, event_id: str, event_type: str, body: bytes, arrived_by: str) -> None:
        for name in self.world.handlers_of(event_type):
            handlers = {name: HandlerRecord()}
            record = EventRecord(event_id, event_type, "open", int(self.now * 1000), arrived_by, 1, body, handlers)
            self.pending.append(Pending(record, name))

    def _event(self, event_type: str, payload: dict[str, Any]) -> dict[str, Any]:
        return {"id": next(self.ids), "event_type": event_type, "occurred_at": _iso(self.now), "payload": payload}


@dataclass
class World:
    """What histories share: Redis, the handlers, and Telnyx."""

    redis: PipeliningRedis
    settings: Settings
    router: Router
    sdk: "Callable[[World], Any]"

    def __post_init__(self) -> None:
        self.store = Store.of(self.redis, self.settings)
        self.histories: dict[str, History] = {}
        gate = Gate(self.store, self.settings)
        self.services = HandlerServices(
            self.settings, self.router, self.store, self.sdk(self), gate, states={}, metrics=HandlerMetrics(), own={}
        )

    async def unfold(self, seeds: range) -> list[History]:
        """Live through the histories of these seeds, some side by side; the time of day is each one's own."""
        at_once = asyncio.Semaphore(AT_ONCE)

        async def unfold(history: History) -> History:
            async with at_once:
                await history.unfold()
                del self.histories[history.number]
            return history

        self.histories |= {history.number: history for history in (History(seed, self) for seed in seeds)}
        with clock.moved(_time_of_history):
            return await asyncio.gather(*(asyncio.create_task(unfold(each)) for each in list(self.histories.values())))

    async def lease(self, event_id: str, token: str) -> None:
        """Hold an event, so that effects may begin."""
        holding = {"lease": token, "lease_until": 2**52}
        await pending(self.redis.hset(self.store.keys.event(event_id), mapping=holding))

    def handlers_of(self, event_type: str) -> Iterator[str]:
        """The names of the handlers that react to a type."""
        for name, each in self.router.subscriptions.items():
            if any(fnmatchcase(event_type, pattern) for pattern in each.types):
                yield name


@dataclass
class SdkOfHistories:
    """The SDK as handlers see it, answering as the histories say: for the many, where the real one takes too long."""

    world: World

    @property
    def messages(self) -> "SdkOfHistories":
        return self

    @property
    def with_raw_response(self) -> "SdkOfHistories":
        return self

    async def close(self) -> None: ...

    async def retrieve(self, message_id: str) -> None:
        request = httpx.Request("GET", f"https://telnyx.example/v2/messages/{message_id}")
        raise NotFoundError("unknown", response=httpx.Response(404, request=request), body=None)

    async def send(self, *, to: str, idempotency_key: str | None = None, **message: Any) -> None:
        request = httpx.Request("POST", "https://telnyx.example/v2/messages")
        status, code = self.world.histories[to].asked(message, idempotency_key)
        if status == 0:
            raise APIConnectionError(request=request)
        if code == STOP:
            # What the transport beneath the real SDK does with every such answer.
            await record_consent(self.world.store, [ConsentChange(to, "out", None, "40300")], now=clock.now())
        if status >= 400:
            body = {"errors": [{"code": code, "title": "refused"}]}
            response = httpx.Response(status, json=body, request=request)
            raise APIStatusError("refused", response=response, body=body)


@dataclass
class NetworkOfHistories(httpx.AsyncBaseTransport):
    """The network beneath the real SDK and the ledger, answering as the histories say."""

    history_of: Callable[[str], History]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(404, json={"errors": [{"code": "10005", "title": "unknown"}]})
        message = orjson.loads(await request.aread())
        trace = request.extensions.get("trace")
        if trace is not None:
            await trace("http11.send_request_headers.started", {})
        status, code = self.history_of(message["to"]).asked(message, request.headers.get("idempotency-key"))
        if status == 0:
            raise httpx.ReadTimeout("no answer", request=request)
        body = {"errors": [{"code": code, "title": "refused"}]} if code else {"data": {"id": "sms"}}
        return httpx.Response(status, json=body)


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is logged: a hundred thousand histories have little to say one by one."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    try:
        yield
    finally:
        structlog.configure(**before)


def _time_of_history() -> float:
    history = history_now.get(None)
    return NOON if history is None else history.now


def _said(number: str, text: str, way: str, at: float) -> dict[str, Any]:
    payload: dict[str, Any] = {"id": "m", "direction": "inbound", "from": {"phone_number": number}}
    payload["received_at"] = _iso(at)
    if way == "sms":
        return {**payload, "type": "SMS", "text": text.lower()}
    if way == "marked":
        return {**payload, "type": "SMS", "text": f"please {text}", "autoresponse_type": text}
    body = {"text": text} if way == "rcs" else {"suggestion_response": {"text": "tap", "postback_data": text}}
    return {**payload, "type": "RCS", "body": body}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
