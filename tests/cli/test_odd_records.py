"""Deeply nested events, and records that fail, end no command."""

import json
from pathlib import Path

import pytest

from service.nested_json import dump_json
from tests.cli.deployment import Deployment
from tests.cli.operator import Operator
from tests.events import envelope
from tests.stack import Stack
from tests.test_nested_events import SHAPES, arrays, objects


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
