"""For tests of handlers: events to try them with, and runs by the worker's own code beside a local Telnyx.

With pytest, the fixtures of `service.testing.pytest_plugin` are there without an import:

    def test_a_message_is_answered(run_handler):
        ran = run_handler(auto_reply, make_event("message.received", text="Are you open?"))
        assert [each.body["text"] for each in ran.requests] == ["Thanks, we will call you back."]
"""

import asyncio
import functools
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import arq.worker
import orjson
from anyio.from_thread import BlockingPortal, start_blocking_portal
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from redis.asyncio import Redis

from service import clock
from service.events import Event, read_envelope, read_event
from service.processes import embedded_server
from service.routing import Router
from service.settings import Settings
from service.store.connection import connect, server_time
from service.store.inbox.accept import NewEvent, accept, find
from service.store.inbox.records import EventRecord
from service.store.inbox.search import EventFilter, search
from service.store.store import Store
from service.subscription import Handler
from service.testing.alone_router import alone_router
from service.testing.samples import NUMBER, cases, payload_in, sample
from service.testing.simulator import Simulator
from service.testing.simulator import running as simulating
from service.testing.simulator.api.call import LoggedRequest
from service.worker.arq_compat import process
from service.worker.metrics import HandlerMetrics
from service.worker.open_processor import open_processor

_SAMPLES = {
    "message.received": "sms.received",
    "message.sent": "rcs.sent",
    "message.finalized": "rcs.failed",
    "message.read": "rcs.read",
}
_DERIVED = frozenset({"emit", "schedule"})
_MOST_EMITTED = 1000
_SECONDS = 10.0


def make_event(
    event_type: str,
    *,
    payload: Mapping[str, Any] | None = None,
    event_id: str | None = None,
    arrived_by: str = "webhook",
    **fields: Any,
) -> Event[dict[str, Any]]:
    """Make an event to run a handler with.

    `event_type` is a type or the name of a sample (`ringback trigger --list`), such as `rcs.expired`. Without
    `payload`, one of `message.*` has that of a sample: an inbound SMS, or an outbound RCS message. Other types have
    none. `fields` replace those of the payload, `from_` as `from`. `arrived_by` is `webhook`,
    `failover` or, for an event of Ringback's own, `emit` or `schedule`. All samples are about one number.
    """
    name = _SAMPLES.get(event_type, event_type)
    body = sample(name, number=NUMBER) if name in cases() else {}
    given = payload_in(body) if payload is None else dict(payload)
    return Event(
        id=event_id or str(uuid.uuid4()),
        type=read_envelope(orjson.dumps(body)).type if event_type in cases() else event_type,
        occurred_at=datetime.fromtimestamp(clock.now(), UTC),
        payload={**given, **{name.removesuffix("_"): value for name, value in fields.items()}},
        arrived_by=arrived_by,
    )


@dataclass(frozen=True)
class Result:
    """The end of a handler, in the words of `ringback events list`, and its actions.

    `outcome` is `done` for a handler that returned or raised Discard, `ignored` for one without the event's type.
    `after` is the seconds until a `waiting` or `parked` one would run again. `requests` are those to the local Telnyx.
    `emitted` are the events that it emitted or scheduled, and `exception` is the one that it raised.
    """

    outcome: Literal["done", "waiting", "parked", "dead", "ignored"]
    reason: str | None
    error: str | None
    after: float | None
    requests: tuple[LoggedRequest, ...]
    emitted: tuple[Event[dict[str, Any]], ...]
    exception: BaseException | None = field(repr=False)


@dataclass
class Bench:
    """A server and a local Telnyx for any number of runs, which share their state until `reset`."""

    redis_url: str
    telnyx: Simulator
    telnyx_url: str
    portal: BlockingPortal
    namespace: str = ""

    def reset(self) -> None:
        """Forget everything: a Redis without a key, a Telnyx where nothing has happened."""
        self.namespace = f"test-{uuid.uuid4().hex[:12]}"
        self.telnyx.reset()

    def run_handler(
        self,
        handler: Handler,
        event: Event[dict[str, Any]] | Mapping[str, Any],
        *,
        router: Router | None = None,
        state: Any = None,
        settings: Mapping[str, Any] | None = None,
        own_settings: BaseSettings | None = None,
    ) -> Result:
        """Run a handler once, as a worker would, for an event from `make_event`, or for the body of a webhook.

        With `router`, its event types, options and lifespan count. `state` replaces the value of that lifespan.
        `settings` are variables by name, such as `{"RINGBACK_SMS_FROM": "+13125550199"}`. Those of the machine and of
        `.env` do not count. `own_settings` are those of `ctx.own_settings`. An event that was run before is a
        redelivery, which runs nothing. The traceback of an ordinary exception goes to standard error.

        Raises:
            ValueError: the router lacks the handler, or a setting is unknown or missing.
            service.settings.InvalidSettings: a setting does not fit.
        """
        raised: list[BaseException] = []
        alone = alone_router(handler, router, state, raised, own_settings)
        own = {each.settings: own_settings for each in alone.subscriptions.values()}
        run = functools.partial(self._run, alone, _new_event(event), self._settings(settings or {}), raised, own)
        return self.portal.call(run)

    async def _run(
        self, router: Router, arrival: NewEvent, settings: Settings, raised: list[BaseException], own: Mapping[Any, Any]
    ) -> Result:
        [name] = router.subscriptions
        async with connect(self.redis_url, timeout=_SECONDS, connections=20) as redis:
            store = Store.of(redis, settings)
            earlier, seen = await _derived(store), len(self.telnyx.requests)
            [accepted] = await accept(store, [arrival])
            await self._process(router.configured(settings), accepted.event_id, settings, redis, own)
            record = await find(store, accepted.event_id)
            if record is None or (record.handlers and name not in record.handlers):
                raise ValueError(f"event {accepted.event_id!r} went to another handler before: make one of its own")
            emitted = [each for each in await _derived(store) if each not in earlier]
            return Result(
                **_ending(record, name, now=await server_time(redis)),
                requests=tuple(self.telnyx.requests[seen:]),
                emitted=tuple([await _event(store, each) for each in reversed(emitted)]),
                exception=raised[0] if raised else None,
            )

    async def _process(
        self, router: Router, event_id: str, settings: Settings, redis: "Redis", own: Mapping[Any, Any]
    ) -> None:
        store = Store.of(redis, settings)
        opened = open_processor(
            settings, router, self.redis_url, store=store, handlers_store=store, metrics=HandlerMetrics(), own=own
        )
        async with opened as processor:
            await processor.ordering.register()
            # How a job of stock arq ends: the scripts have put the event where it belongs.
            with suppress(arq.worker.Retry):
                # In a task of its own, as in a worker.
                await asyncio.create_task(process({"processor": processor, "job_id": store.keys.job_id(event_id)}))

    def _settings(self, given: Mapping[str, Any]) -> Settings:
        for name in given:
            if name not in _SETTINGS:
                raise ValueError(f"{name} is no setting of Ringback's: is it misspelt?")
        ours = {
            "TELNYX_API_KEY": "KEY-for-tests",
            "TELNYX_BASE_URL": f"{self.telnyx_url}/v2",
            "REDIS_URL": self.redis_url,
            "RINGBACK_NAMESPACE": self.namespace,
        }
        return _GivenSettings(**{**ours, **given})


@contextmanager
def open_bench() -> Iterator[Bench]:
    """Start a server and a local Telnyx for runs of handlers, until the block ends.

    Raises:
        service.processes.data_folder.EmbeddedServerError: no server can be run on this machine.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ringback-test-"))
        server = stack.enter_context(embedded_server.start(Path(folder)))
        simulator = Simulator()
        address = stack.enter_context(simulating(simulator))
        bench = Bench(server.url, simulator, address, stack.enter_context(start_blocking_portal()))
        bench.reset()
        yield bench


def run_handler(handler: Handler, event: Event[dict[str, Any]] | Mapping[str, Any], **options: Any) -> Result:
    """Run a handler once, on a bench of its own. See `Bench.run_handler`. Several runs are faster on one bench."""
    with open_bench() as bench:
        return bench.run_handler(handler, event, **options)


class _GivenSettings(Settings):
    """Settings that a test decides alone."""

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls, _: Any, init_settings: PydanticBaseSettingsSource, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave out the environment and `.env`."""
        return (init_settings,)


_SETTINGS = frozenset(str(each.validation_alias) for each in Settings.model_fields.values())


def _new_event(event: Event[dict[str, Any]] | Mapping[str, Any]) -> NewEvent:
    if not isinstance(event, Event):
        body = orjson.dumps(dict(event))
        return NewEvent.from_envelope(read_envelope(body), body, "webhook")
    at = event.occurred_at.timestamp() if event.occurred_at else None
    new = NewEvent.derived(event.id, event.type, event.payload, event.arrived_by, at=at)
    if event.arrived_by in _DERIVED:
        return new
    return NewEvent.from_envelope(read_envelope(new.body), new.body, event.arrived_by)


async def _derived(store: Store) -> list[str]:
    """Return the remembered events of Ringback's own, the newest first."""
    records = await search(store, EventFilter(), limit=_MOST_EMITTED)
    return [record.id for record in records if record.arrived_by in _DERIVED]


async def _event(store: Store, event_id: str) -> Event[dict[str, Any]]:
    record = await find(store, event_id)
    if record is None or record.body is None:
        raise ValueError(f"event {event_id!r} is gone")
    return read_event(record.id, record.type, record.body, record.arrived_by)


def _ending(record: EventRecord, name: str, *, now: int) -> dict[str, Any]:
    handler = record.handlers.get(name)
    if handler is None:
        return {"outcome": "ignored", "reason": None, "error": None, "after": None}
    after = None if handler.ended else round(max(0, handler.due - now) / 1000, 1)
    return {"outcome": handler.state, "reason": handler.reason, "error": handler.error, "after": after}
