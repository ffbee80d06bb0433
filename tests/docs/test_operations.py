"""The table of operations in docs/telnyx.md: none is left over, and who is named does use it."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
import pytest
import typer.main
from telnyx import Telnyx

from handlers import router
from service import Context
from service.cli import app
from service.testing.simulator.api.operations import OPERATIONS

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "telnyx.md").read_text()


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    method: str
    path: str
    sdk: str
    users: list[str]

    @classmethod
    def parse(cls, line: str) -> "Row":
        operation, sdk, users = line.strip("| ").split(" | ")
        method, path = operation.replace("`", "").split()
        return cls(method, path, sdk.strip("`"), re.findall(r"`(.+?)`", users))


def rows() -> list[Row]:
    table = DOCUMENT.split("\n| operation | in the SDK | used by |\n", 1)[1].split("\n\n", 1)[0]
    return [Row.parse(line) for line in table.splitlines()[1:]]


def commands(group: object, prefix: str) -> Iterator[str]:
    members = getattr(group, "commands", None)
    if members is None:
        yield prefix
    else:
        for name, each in members.items():
            yield from commands(each, f"{prefix} {name}")


@cache
def calls() -> set[str]:
    """Every dotted call in the sources of service and handlers, the simulator's left out: `telnyx.messages.send`."""
    sources = [*(ROOT / "service").rglob("*.py"), *(ROOT / "handlers").rglob("*.py")]
    trees = [
        ast.parse(path.read_text())
        for path in sources
        if not path.is_relative_to(ROOT / "service" / "testing" / "simulator")
    ]
    return {call for tree in trees for call in _calls_in(tree)}


def _calls_in(tree: ast.Module) -> Iterator[str]:
    """The calls of one file; where a part of the SDK was given a name first, that is put in again."""
    nodes = list(ast.walk(tree))
    named = {
        target.id: ast.unparse(value)
        for node in nodes
        if isinstance(node, ast.Assign)
        for target, value in zip(_parts(node.targets[0]), _parts(node.value), strict=False)
        if isinstance(target, ast.Name) and isinstance(value, ast.Attribute)
    }
    for node in nodes:
        if isinstance(node, ast.Call):
            root, dot, rest = ast.unparse(node.func).partition(".")
            yield f"{named.get(root, root)}{dot}{rest}".replace(".with_raw_response", "")


def _parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


USERS = {
    *commands(typer.main.get_command(app), "ringback"),
    *router.subscriptions,
    *(f"ctx.{name}" for name in {*dir(Context), *Context.__annotations__} if not name.startswith("_")),
}


def test_the_table_has_every_operation_of_the_simulator_once_and_no_other() -> None:
    documented = [(row.method, row.path) for row in rows()]
    assert sorted(documented) == sorted((each.method, each.path) for each in OPERATIONS)


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.method} {row.path}")
def test_each_operation_is_used_by_what_exists_and_called_somewhere(row: Row) -> None:
    assert row.users, "an operation that nothing uses"
    assert [user for user in row.users if user not in USERS] == []
    assert [call for call in calls() if call.endswith(f".{row.sdk}")] != []


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.method} {row.path}")
def test_the_call_of_the_sdk_is_that_operation(row: Row) -> None:
    asked: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path))
        return httpx.Response(200, json={"data": {}})

    with Telnyx(
        api_key="KEY", base_url="http://telnyx/v2", http_client=httpx.Client(transport=httpx.MockTransport(answer))
    ) as telnyx:
        call: object = telnyx
        for name in row.sdk.split("."):
            call = getattr(call, name)
        assert callable(call)
        _called(call)
    pattern = re.sub(r"\{\w+\}", "[^/]+", row.path)
    assert asked[0][0] == row.method
    assert re.fullmatch(f"/v2{pattern}", asked[0][1])


def _called(call: Callable[..., object]) -> None:
    """Call with a word for whatever is required."""
    parameters = inspect.signature(call).parameters.values()
    required = {each.name: each for each in parameters if each.default is inspect.Parameter.empty}
    given = {name: _word(name) for name in required}
    call(**given)


def _word(name: str) -> object:
    return ["x"] if name in {"phone_numbers", "verification_codes", "business_contact", "use_case"} else "x"
