"""Deeply nested events, and records that fail, end no command."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.events.nested_json import dump_json
from service.store.inbox.handler_records import HandlerRecord
from service.store.store import Store
from tests.cli.deployment import Deployment
from tests.cli.operator import Operator
from tests.events.test_nested_json import SHAPES, arrays, objects
from tests.stack import Stack
from tests.telnyx_events import envelope


@pytest.mark.slow
def test_a_deep_event_ends_no_command(stack: Stack) -> None:
    bodies = [
        envelope("test.deep", {"deep": shape(levels)}) for shape in SHAPES.values() for levels in (250, 900, 1015)
    ]
    for body in [*bodies, envelope("test.plain", {})]:
        assert stack.deliver(dump_json(body)).status_code == 200
    operator = Operator.of(stack)
    exported = operator.run("events", "export").stdout.splitlines()
    assert len(exported) == len(bodies) + 1
    assert len(operator.run("events", "export", "--raw").stdout.splitlines()) == len(bodies) + 1
    for body in bodies:
        for options in ((), ("--reveal",), ("--json",), ("--json", "--reveal")):
            shown = operator.run("events", "show", body["data"]["id"], *options).stdout
            assert "STOP" in shown or "--reveal" not in options
            if "--json" in options:
                json.loads(shown)
    operator.run("erase", "+13125550999", "--yes")
    stack.deliver(dump_json(envelope("test.deep", {"deep": objects(900), "to": "+13125550999"})))
    assert "1 bodies" in (ran := operator.run("erase", "+13125550999", "--yes")).stdout or ran.stdout


def test_an_export_of_deep_events_comes_back(stack: Stack, tmp_path: Path, deployment: Deployment) -> None:
    for levels in (200, 900, 1015):
        stack.deliver(dump_json(envelope("test.deep", {"deep": arrays(levels)})))
    for options in ((), ("--raw",)):
        file = tmp_path / "events.jsonl"
        file.write_text(Operator.of(stack).run("events", "export", *options).stdout)
        assert deployment.run("events", "import", str(file)).stdout == "imported: 3 events.\n" or options


def failing(real: Any) -> Any:
    """The function, which fails for the record `bad`."""

    def fail(record: Any, *arguments: Any) -> Any:
        if record.id == "bad":
            raise ZeroDivisionError
        return real(record, *arguments)

    return fail


def test_a_record_that_fails_is_one_row_and_the_others_are_there(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.cli.events import event_list, transfer

    deployment.accept("one", "bad", "two")
    for module, name in ((event_list, "as_object"), (event_list, "_row"), (transfer, "to_line")):
        monkeypatch.setattr(module, name, failing(getattr(module, name)))
    for command in (("events", "list"), ("events", "list", "--json"), ("events", "export")):
        ran = deployment.run(*command)
        assert ran.code == 1
        assert "bad: cannot be shown (ZeroDivisionError" in ran.stderr
        assert all(name in ran.stdout for name in ("one", "two"))


def test_a_record_that_fails_keeps_no_other_from_being_erased(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.store.inbox import erasure
    from service.store.inbox.accept import find as find_record

    deployment.accept("one", "bad", "two")
    for name in ("one", "bad", "two"):
        deployment.redis.hset(deployment.keys.event(name), "body", '{"to": "+13125550999"}')
        deployment.finish(name, greet=HandlerRecord("done"))
    real = find_record

    async def find(store: Store, event_id: str) -> Any:
        if event_id == "bad":
            raise ZeroDivisionError
        return await real(store, event_id)

    monkeypatch.setattr(erasure, "find", find)
    ran = deployment.run("erase", "+13125550999", "--yes")
    assert ran.code == 1
    assert "bad: cannot be read (ZeroDivisionError" in ran.stderr
    kept = {name: deployment.redis.hget(deployment.keys.event(name), "body") for name in ("one", "bad", "two")}
    assert [name for name, body in kept.items() if body] == ["bad"]


@pytest.mark.parametrize("at", ["9" * 18, "-" + "9" * 18])
def test_a_time_beyond_the_calendar_ends_no_command(deployment: Deployment, at: str) -> None:
    deployment.accept("one", "bad")
    deployment.redis.hset(deployment.keys.event("bad"), "received_at", at)
    for command in (
        ("events", "list"),
        ("events", "list", "--json"),
        ("events", "show", "bad"),
        ("events", "show", "bad", "--json"),
        ("events", "export"),
    ):
        ran = deployment.run(*command)
        assert ran.code == 0, ran.stderr
        assert "bad" in ran.stdout


def test_an_id_that_is_no_text_ends_no_command(deployment: Deployment) -> None:
    deployment.accept("one")
    deployment.redis.zadd(deployment.keys.events, {b"\xff\xfe": 1})
    for command in (("events", "list"), ("events", "export"), ("erase", "+13125550999", "--yes")):
        ran = deployment.run(*command)
        assert ran.code == 0, ran.stderr
        assert "one" in ran.stdout or command[0] == "erase"
