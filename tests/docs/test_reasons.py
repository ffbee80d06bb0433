"""docs/reasons.md explains every reason that the code can give, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.outbound.errors import ACCOUNT_BLOCKS
from service.outbound.gate import ADVICE
from service.store.effects.blocks import OUTAGE
from service.store.inbox import reasons
from tests.documented import DOCS

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("service", "handlers")
    for path in (ROOT / folder).rglob("*.py")
    if "testing" not in path.parts and "cli" not in path.parts and path.name != "reasons.py"
]
PLACES = {"Discard": 0, "Dead": 0, "Refusal": 1, "Wait": 1, "ForeignJob": 1}
"""By the name of what is made, the position of its reason."""
SECTIONS = {
    "Done": reasons.DONE,
    "Waiting": reasons.WAITING,
    "Parked": reasons.PARKED,
    "Dead": reasons.DEAD,
}


def given() -> Iterator[str]:
    """Every reason that the code writes out where it ends or refuses something."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rpartition(".")[2]
                place = PLACES.get(name)
                positional = [] if place is None else node.args[place : place + 1]
                named = [each.value for each in node.keywords if each.arg == "reason"]
                for value in (*positional, *named):
                    if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
                        yield value.value


def explained(section: str) -> list[str]:
    text = (DOCS / "reasons.md").read_text()
    [found] = re.findall(rf"^## {section}: .*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return re.findall(r"^\| `(\w+)` \|", found, re.MULTILINE)


def test_every_reason_in_the_code_is_listed() -> None:
    found = set(given())
    assert len(found) > 30, "the search finds the code's reasons"
    assert found - reasons.REASONS == set()


@pytest.mark.parametrize("reason", sorted(reasons.REASONS))
def test_a_listed_reason_stands_in_the_code(reason: str) -> None:
    data = ROOT / "service" / "outbound" / "account_blocks.toml"
    texts = [*SOURCES, data, *(ROOT / "service" / "store" / "lua").rglob("*.lua")]
    quoted = re.compile(rf"""["']{reason}["']""")
    assert [path.name for path in texts if quoted.search(path.read_text())] != []


@pytest.mark.parametrize("section", SECTIONS)
def test_the_page_explains_each_listed_reason_once_and_no_other(section: str) -> None:
    assert explained(section) == sorted(SECTIONS[section])


def test_the_page_of_refusals_has_a_row_for_each_block() -> None:
    section = (DOCS / "telnyx.md").read_text().partition("## Refusals and outages")[2].partition("\n## ")[0]
    rows = {
        kind: (seen, concerns)
        for kind, seen, concerns in re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|", section, re.MULTILINE)
    }
    assert [*rows] == ["telnyx_outage", *(each.kind for each in ACCOUNT_BLOCKS)]
    for each in ACCOUNT_BLOCKS:
        seen, concerns = rows[each.kind]
        assert concerns == each.concerns
        assert re.findall(r"\d+", seen) == [str(number) for number in (each.status, each.code) if number is not None]


def test_the_page_of_handlers_names_each_refusal_of_the_account() -> None:
    [named] = re.findall(r"is refused because of the account \((.*?)\)", (DOCS / "handlers.md").read_text())
    shown = ["/".join(str(each) for each in (row.status, row.code) if each is not None) for row in ACCOUNT_BLOCKS]
    assert named.replace(" on a send", "").split(", ") == shown


def test_each_reason_for_parking_has_advice_for_a_person() -> None:
    assert {*ADVICE} - {OUTAGE} | {"telnyx_outage", "paused"} == reasons.PARKED
