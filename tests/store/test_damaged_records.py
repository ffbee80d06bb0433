"""Damaged records: each is quarantined alone and told of, and hinders neither its neighbours nor a command."""

import orjson
import pytest
from structlog.testing import capture_logs

from service import Context, Event, Router
from service.security.encryption import PLAIN
from service.store.inbox.handler_records import HandlerRecord, RunRecord
from service.store.inbox.records import parse_record
from service.store.store import Store
from service.worker.maintenance import Maintenance
from tests.cli.at_stack import run_at
from tests.pending import pending
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for

JUNK = {
    "bytes": b"\xff\xfe\x00",
    "no JSON": b"{broken",
    "number": b"5",
    "list": b'[1,{"a":null}]',
    "empty": b"",
    "object": b"{}",
}
FIELDS = (
    *("body", "type", "state", "received_at", "arrived_by", "deliveries", "due", "handlers", "h:one", "notes", "again"),
    *("lease", "lease_until", "lapses", "blocked_by", "numbers", "alone", "ended_at", "pruned"),
)
WHOLE = ("a string", "a list", "an empty record")


def router() -> Router:
    made = Router()

    @made.on("test.something")
    async def one(event: Event, ctx: Context) -> None:
        return

    return made


def victims(fields: tuple[str, ...] = FIELDS) -> dict[str, tuple[str, bytes]]:
    """An event for each field and each sort of junk in it, and one for each other thing that a record can be."""
    marred = {f"{field}-{number}": (field, junk) for field in fields for number, junk in enumerate(JUNK.values())}
    return {name.replace(":", "-"): each for name, each in marred.items()} | {
        each.replace(" ", "-"): (each, b"") for each in WHOLE
    }


async def mar(store: Store, event_id: str, field: str, junk: bytes) -> None:
    """Damage a record."""
    key = store.keys.event(event_id)
    if field in WHOLE:
        await store.redis.delete(key)
        if field == "a string":
            await store.redis.set(key, "junk")
        elif field == "a list":
            await pending(store.redis.rpush(key, "junk"))
        else:
            await pending(store.redis.hset(key, "state", "open"))
        return
    if field.startswith("h:"):
        await pending(store.redis.hset(key, "handlers", '["one"]'))
    if field == "lease":
        await pending(store.redis.hset(key, "lease_until", "1"))
    if field == "lease_until":
        await pending(store.redis.hset(key, "lease", "worker:1"))
    await pending(store.redis.hset(key, mapping={field: junk}))


def deliver_and_mar(stack: Stack, fields: tuple[str, ...] = FIELDS) -> list[str]:
    ids = list(victims(fields))
    for event_id in [*ids, "neighbour"]:
        stack.deliver(envelope("test.something", {"number": "+13125550101"}, event_id=event_id))
    for event_id, (field, junk) in victims(fields).items():
        stack.ask(lambda store: mar(store, event_id, field, junk))
    return ids


@pytest.mark.parametrize(
    "fields", [("handlers", "h:one", "lease"), pytest.param(FIELDS, marks=pytest.mark.slow)], ids=["a few", "all"]
)
def test_a_worker_ends_each_damaged_event_alone_and_tells_of_it(stack: Stack, fields: tuple[str, ...]) -> None:
    ids = deliver_and_mar(stack, fields)
    with capture_logs() as logs:
        stack.start_worker(router())
        assert stack.ended("neighbour").state == "done"
        wait_for(lambda: stack.ask(lambda store: store.redis.zcard(store.keys.queue)) == 0)
    stack.workers.close()
    assert not [each for each in logs if each["event"] in ("processing broke", "a job broke", "Redis is away")]
    told = {each["event_id"] for each in logs if "damaged" in each["event"]}
    assert {"h-one-0", "h-one-1", "handlers-1", "a-string", "a-list"} <= told
    records = [stack.record(each) for each in ids if each != "pruned"]
    assert {each.state for each in records if each is not None} <= {"done", "dead", "ignored"}


@pytest.mark.slow
@pytest.mark.parametrize("processed", [False, True], ids=["as they are", "after a worker"])
def test_no_command_and_no_step_of_the_upkeep_fails_of_damaged_records(stack: Stack, processed: bool) -> None:  # noqa: FBT001
    deliver_and_mar(stack)
    if processed:
        stack.start_worker(router())
        wait_for(lambda: stack.ask(lambda store: store.redis.zcard(store.keys.queue)) == 0)
        stack.workers.close()
    assert "neighbour" in run_at(stack, "events", "list", "--json", "--limit", "1000").stdout
    for event_id in victims():
        assert run_at(stack, "events", "show", event_id).code in (0, 1)
    assert run_at(stack, "audit").code in (0, 1)
    assert run_at(stack, "dead", "list", "--json").code == 0
    assert "neighbour" in run_at(stack, "events", "export").stdout
    assert run_at(stack, "events", "list", "--number", "+13125550101").code == 0

    async def turn(store: Store) -> None:
        await store.redis.delete(f"{store.namespace}:maintenance")
        settings = stack.settings.model_copy(update={"body_retention": 0.0})
        await Maintenance(settings, store, "worker").run_once()

    with capture_logs() as logs:
        stack.ask(turn)
    assert not [each for each in logs if "fails" in each["event"]]
    assert run_at(stack, "erase", "+13125550101", "--yes").code in (0, 1)
    assert run_at(stack, "dead", "retry", "--all", "--yes").code in (0, 1)


def test_fields_of_a_newer_version_are_passed_over_at_every_depth() -> None:
    run = {"began": 1, "ended": 2, "outcome": "done", "remarks": ["said"], "newer": {"a": 1}}
    handler = {"state": "waiting", "due": 1.0, "attempts": 2, "newer": [1], "runs": [run, {"newer": 1}, 5]}
    fields = {
        b"type": b"t", b"state": b"open", b"received_at": b"1", b"arrived_by": b"webhook", b"deliveries": b"1",
        b"newer": b"x", b"handlers": b'["one"]', b"h:one": orjson.dumps(handler),
        b"notes": b'{"at":1,"what":"retried","newer":2,"about":{"one":"dead","newer":{}}}\n{junk\n',
    }  # fmt: skip
    record = parse_record("id", fields, PLAIN)
    ran = RunRecord(1, 2, "done", remarks=("said",))
    assert record.handlers == {"one": HandlerRecord("waiting", attempts=2, due=1, runs=(ran,))}
    assert [(each.at, each.what, each.about) for each in record.notes] == [(1, "retried", {"one": "dead"})]
    assert record.damaged == frozenset()
