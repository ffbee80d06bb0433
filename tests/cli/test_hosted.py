"""`ringback hosted`, on the local Telnyx."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.cli.telnyx import hosted
from service.testing.simulator.api.faults import Fault
from tests.cli.at_stack import asked, run_at
from tests.stack import Stack

ONE, TWO = "+13125550301", "+13125550302"
MASKED = "+1312•••0301"
PROFILE = "5d4f9c9a-0000-4000-8000-000000000001"


@pytest.fixture
def order_id(stack: Stack) -> str:
    """The id of an order of two numbers."""
    ran = run_at(stack, "hosted", "order", ONE, TWO, "--profile", PROFILE, "--yes")
    assert ran.code == 0, ran
    [order] = stack.simulator.account.hosted_orders
    assert f"ordered: {order.id}, pending" in ran.stdout
    assert f"→ ringback hosted codes {order.id}" in ran.stdout
    assert (order.messaging_profile_id, [each.phone_number for each in order.numbers]) == (PROFILE, [ONE, TWO])
    return order.id


def papers(folder: Path) -> tuple[str, ...]:
    for name in ("loa", "bill"):
        (folder / f"{name}.pdf").write_bytes(b"%PDF-1.7 " + name.encode())
    return "--loa", str(folder / "loa.pdf"), "--bill", str(folder / "bill.pdf")


def test_an_order_goes_from_its_beginning_to_its_end(stack: Stack, order_id: str, tmp_path: Path) -> None:
    sent = run_at(stack, "hosted", "codes", order_id, "--method", "call", "--yes")
    assert (sent.code, sent.stdout.splitlines()[0]) == (0, f"{MASKED}: on its way")
    codes = {each.phone_number: each.code for each in stack.simulator.account.ownership_codes.of_order(order_id)}

    wrong = run_at(stack, "hosted", "validate", order_id, f"{ONE}={codes[ONE]}", f"{TWO}=wrong")
    assert (wrong.code, wrong.stdout.splitlines()) == (1, [f"{MASKED}: verified", "+1312•••0302: rejected"])
    right = run_at(stack, "hosted", "validate", order_id, *(f"{number}={code}" for number, code in codes.items()))
    assert (right.code, right.stdout.splitlines()) == (0, [f"{MASKED}: already verified", "+1312•••0302: verified"])

    uploaded = run_at(stack, "hosted", "upload", order_id, *papers(tmp_path))
    assert (uploaded.code, "loa_file_successful" in uploaded.stdout) == (0, True)
    shown = run_at(stack, "hosted", "show", order_id, "--json", "--reveal")
    assert json.loads(shown.stdout)["status"] == "successful"

    listed = run_at(stack, "hosted", "list", "--numbers", "--json", "--reveal")
    assert [each["phone_number"] for each in json.loads(listed.stdout)] == [ONE, TWO]
    assert run_at(stack, "hosted", "codes", order_id).stdout == "No number of this order waits to be proven.\n"

    moved = run_at(stack, "hosted", "assign", ONE, "--profile", "another-profile", "--yes")
    assert (moved.code, "another-profile" in moved.stdout) == (0, True)
    number = json.loads(run_at(stack, "hosted", "show", ONE, "--json").stdout)
    assert (number["messaging_profile_id"], number["phone_number"]) == ("another-profile", MASKED)
    assert MASKED in run_at(stack, "hosted", "show", number["id"]).stdout


def test_orders_are_listed_with_what_they_need(stack: Stack, order_id: str) -> None:
    stack.simulator.move_order(order_id, status="incomplete_documentation")
    ran = run_at(stack, "hosted", "list")
    assert ran.code == 0
    assert (MASKED in ran.stdout, ONE in ran.stdout) == (True, False)
    assert f"→ ringback hosted upload {order_id} --loa" in ran.stdout
    assert run_at(stack, "hosted", "list", "--status", "pending").stderr == "There are no such orders.\n"
    rows = json.loads(run_at(stack, "hosted", "list", "--json").stdout)
    assert [(each["id"], each["phone_numbers"][0]["phone_number"]) for each in rows] == [(order_id, MASKED)]
    assert ONE in run_at(stack, "hosted", "show", order_id, "--reveal").stdout


def test_numbers_that_cannot_be_hosted_are_not_ordered(stack: Stack) -> None:
    stack.simulator.account.eligibility[TWO] = "NUMBER_CAN_NOT_BE_WIRELESS"
    asked_for = run_at(stack, "hosted", "eligibility", ONE, TWO, "--json")
    assert asked_for.code == 1
    assert [each["eligible"] for each in json.loads(asked_for.stdout)] == [True, False]
    ran = run_at(stack, "hosted", "order", ONE, TWO, "--yes")
    assert (ran.code, ran.stderr) == (1, "Not all of them can be hosted: nothing was ordered.\n")
    assert "no (NUMBER_CAN_NOT_BE_WIRELESS)" in ran.stdout
    assert len(stack.simulator.account.hosted_orders) == 0
    assert run_at(stack, "hosted", "eligibility", ONE).code == 0


@pytest.mark.parametrize("named", [(), (ONE,)], ids=["none", "one"])
def test_numbers_that_telnyx_does_not_name_count_as_not_to_be_hosted(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...]
) -> None:
    rows = [SimpleNamespace(phone_number=each, eligible=True, detail=None, to_dict=dict) for each in named]
    monkeypatch.setattr(hosted, "with_telnyx", lambda _: SimpleNamespace(phone_numbers=rows))
    ran = run_at(stack, "hosted", "eligibility", ONE, TWO)
    assert (ran.code, "+1312•••0302: Telnyx did not say whether it can be hosted." in ran.stderr) == (1, True)
    assert "nothing was ordered" in run_at(stack, "hosted", "order", ONE, TWO, "--yes").stderr


@pytest.mark.parametrize(
    "command",
    [
        ("order", "+13125550303"),
        ("codes", "ORDER"),
        ("assign", ONE, "--profile", "x"),
        ("delete", "ORDER"),
        ("delete-number", ONE),
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("answer", ["n\n", ""], ids=["no", "nobody"])
def test_what_is_not_confirmed_changes_nothing(
    stack: Stack, order_id: str, command: tuple[str, ...], answer: str
) -> None:
    before = _changes(stack)
    words = [order_id if word == "ORDER" else word for word in command]
    ran = run_at(stack, "hosted", *words, answer=answer)
    assert ran.code == 1
    assert _changes(stack) == before
    assert ONE not in ran.stdout


def _changes(stack: Stack) -> list[Any]:
    """The requests so far that change something; an eligibility check does not."""
    requests = [each for method in ("POST", "PATCH", "DELETE") for each in asked(stack, method)]
    return [each for each in requests if not each.path.endswith("/eligibility_numbers_check")]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("order", "13125550301"), "is no number such as +13125550001"),
        (("eligibility", "+1 312 555 0301"), "is no number such as +13125550001"),
        (("codes", "id", "+0"), "is no number such as +13125550001"),
        (("codes", "id", "--method", "letter"), "--method"),
        (("validate", "id", "+13125550301"), "give NUMBER=CODE"),
        (("validate", "id", "3125550301=1"), "is no number such as +13125550001"),
        (("upload", "id"), "give --loa, --bill or both"),
        (("upload", "id", "--loa", "nowhere.pdf"), "does not exist"),
        (("upload", "id", "--bill", "bill.txt"), "--bill: bill.txt is no PDF file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_input_names_what_is_wrong_and_asks_telnyx_nothing(
    stack: Stack, command: tuple[str, ...], words: str
) -> None:
    Path("bill.txt").write_text("a bill")
    ran = run_at(stack, "hosted", *command, COLUMNS="200")
    assert ran.code == 2
    assert words in ran.stderr
    assert stack.simulator.requests == []


def test_a_code_that_could_not_be_sent_is_told(stack: Stack, order_id: str) -> None:
    ran = run_at(stack, "hosted", "codes", order_id, "+13125550999", "--yes")
    assert (ran.code, ran.stdout) == (1, "+1312•••0999: The phone number is not part of this order.\n")


def test_a_letter_that_is_not_accepted_ends_with_1(stack: Stack, order_id: str, tmp_path: Path) -> None:
    stack.simulator.move_order(order_id, status="loa_file_invalid")
    letter = papers(tmp_path)[:2]
    ran = run_at(stack, "hosted", "upload", order_id, *letter)
    assert (ran.code, "incomplete_documentation" in ran.stdout) == (0, True)
    assert "the letter of authorisation or the bill is missing" in ran.stdout


def test_what_is_gone_already_is_deleted(stack: Stack, order_id: str) -> None:
    assert run_at(stack, "hosted", "delete-number", ONE, "--yes").stdout == "deleted\n"
    assert run_at(stack, "hosted", "delete", order_id, "--yes").stdout == "deleted\n"
    for words in (("delete-number", ONE), ("delete", order_id)):
        ran = run_at(stack, "hosted", *words, "--yes")
        assert (ran.code, ran.stdout) == (0, "there is none: deleted already, or never there\n")
    shown = run_at(stack, "hosted", "show", ONE)
    assert (shown.code, shown.stderr) == (1, f"{MASKED} is no order and no hosted number\n")


def test_what_telnyx_refuses_is_told_and_an_order_of_unknown_fate_is_not_repeated(stack: Stack) -> None:
    stack.simulator.add_fault(Fault(kind="reset", when="after", method="POST", path="/messaging_hosted_number_orders"))
    ran = run_at(stack, "hosted", "order", ONE, "--yes")
    assert ran.code == 1
    assert "it may be ordered all the same: see `ringback hosted list` first" in ran.stderr
    assert len(stack.simulator.account.hosted_orders) == 1


def test_the_command_line_starts_without_the_sdk() -> None:
    code = "import sys, service.cli; print([name for name in ('telnyx', 'arq') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


CHANGES = [
    ("hosted", "order", "+13125550001"),
    ("hosted", "codes", "ORDER"),
    ("hosted", "validate", "ORDER", "+13125550001=123456"),
    ("hosted", "assign", "+13125550001", "--profile", "P"),
    ("hosted", "delete", "ORDER"),
    ("hosted", "delete-number", "+13125550001"),
    ("rcs", "invite", "AGENT", "+13125550001"),
    ("rcs", "send", "AGENT", "+13125550001", "--text", "Hello"),
    ("tollfree", "delete", "REQUEST"),
    ("messages", "cancel", "MESSAGE"),
]


@pytest.mark.parametrize("command", CHANGES, ids=lambda command: " ".join(command[:2]))
def test_in_a_dry_run_nobody_is_asked_before_it_says_so(stack: Stack, command: tuple[str, ...]) -> None:
    ran = run_at(stack, *command, answer="y\n", RINGBACK_DRY_RUN="true")
    assert (ran.code, ran.stdout) == (1, "")
    assert "RINGBACK_DRY_RUN is set: nothing was changed." in ran.stderr
    assert stack.simulator.requests == []
