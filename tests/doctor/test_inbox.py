"""The work: the queue's age, dead events, blocks, and counters that agree."""

import re

import pytest

from service.doctor import inbox
from service.store.effects.blocks import Block, pause
from service.store.inbox import maintenance
from service.store.inbox.leases import renewal
from service.store.key_types import TYPES
from service.store.keys import Keys
from tests.cli.deployment import Deployment
from tests.doctor.looking import look, status
from tests.stack import Stack
from tests.telnyx_events import envelope


def at(stack: Stack) -> Deployment:
    """The stack's deployment, for events that end as the test wants."""
    return Deployment(stack.redis_url, stack.settings.namespace, stack.redis)  # type: ignore[arg-type]


@pytest.mark.parametrize(("age", "expected"), [(0.0, "ok"), (90.0, "warning"), (3600.0, "failed")])
def test_an_event_that_waits_for_a_worker_is_told_of(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, age: float, expected: str
) -> None:
    stack.deliver(envelope("test.something", {}))
    real = maintenance.queue

    async def older(store: object) -> maintenance.Queue:
        found = await real(store)  # type: ignore[arg-type]
        assert found.due == 1
        return maintenance.Queue(found.length, found.due, age, 0)

    monkeypatch.setattr(maintenance, "queue", older)
    found = look(stack, "queue")
    assert found.status == expected
    assert expected == "ok" or "ringback worker" in found.told


def test_a_deployment_without_a_worker_is_told_of(stack: Stack) -> None:
    found = look(stack, "workers")
    assert (found.status, "no worker" in found.told) == ("warning", True)
    stack.ask(lambda store: store.run("renew", *renewal("worker", (), lease=60, answered=1)))
    assert status(stack, "workers") == "ok"


def test_dead_events_are_counted(stack: Stack) -> None:
    assert status(stack, "dead events") == "ok"
    at(stack).one_of_each()
    found = look(stack, "dead events")
    assert (found.status, "1 events are dead" in found.told) == ("warning", True)
    assert "ringback dead list" in found.told


def test_blocks_are_named_with_what_to_do(stack: Stack) -> None:
    assert status(stack, "blocks") == "ok"
    stack.ask(lambda store: pause(store, "*"))
    found = look(stack, "blocks")
    assert (found.status, "ringback resume" in found.told) == ("warning", True)


def test_a_block_of_the_account_has_failed(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    async def blocked(_: object) -> list[Block]:
        return [Block("credentials", 0, "401", "set TELNYX_API_KEY", 12)]

    monkeypatch.setattr(inbox, "open_blocks", blocked)
    found = look(stack, "blocks")
    assert (found.status, found.told) == ("failed", "credentials parks 12 events: set TELNYX_API_KEY")


@pytest.mark.parametrize("name", ["optouts", "paused", "wake", "queue", "audit_log"])
def test_a_key_that_another_program_has_overwritten_has_failed(stack: Stack, name: str) -> None:
    at(stack).one_of_each()
    assert status(stack, "key types") == "ok"
    stack.ask(lambda store: store.redis.set(f"{store.keys.namespace}:{name}", "x"))
    found = look(stack, "key types")
    assert (found.status, f":{name} is a string" in found.told) == ("failed", True)


def test_every_key_that_stands_alone_has_a_known_type() -> None:
    documented = re.findall(r"^    \| (`<ns>.*?) \| ([a-z ]+) \|", Keys.__doc__ or "", re.MULTILINE)
    names = {
        (name, kind.replace("sorted set", "zset"))
        for keys, kind in documented
        for name in re.findall(r"`<ns>:(\w+)`", keys)
    }
    assert {(name, kind) for kind, known in TYPES.items() for name in known} == names


def test_counters_that_differ_have_failed(stack: Stack) -> None:
    at(stack).one_of_each()
    assert status(stack, "conservation") == "ok"
    stack.ask(lambda store: store.redis.execute_command("HINCRBY", store.keys.counts, "accepted", 3))  # type: ignore[no-untyped-call]
    found = look(stack, "conservation")
    assert (found.status, "ringback audit" in found.told) == ("failed", True)
