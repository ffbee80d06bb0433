"""`ringback whatsapp`, on the local Telnyx."""

import json
from datetime import UTC, datetime

import pytest

from tests.cli.at_stack import asked, run_at
from tests.stack import Stack

OURS, THEIRS = "+13125550101", "+13125550102"


@pytest.fixture
def number(stack: Stack) -> str:
    """A number that has got a WhatsApp message, and is known from it."""
    stack.simulator.receive(sender=THEIRS, to=OURS, type="WHATSAPP", text="Hi")
    return OURS


def test_numbers_are_listed_and_shown_masked(stack: Stack, number: str) -> None:
    ran = run_at(stack, "whatsapp", "numbers")
    assert (ran.code, "CONNECTED" in ran.stdout, "+1312•••0101" in ran.stdout) == (0, True, True)
    one = run_at(stack, "whatsapp", "numbers", number)
    assert "quality_rating: GREEN" in one.stdout
    assert OURS not in ran.stdout + one.stdout
    [row] = json.loads(run_at(stack, "whatsapp", "numbers", "--json", "--reveal").stdout)
    assert row["phone_number"] == OURS
    assert run_at(stack, "whatsapp", "numbers", "+13125550109").code == 1
    assert run_at(stack, "whatsapp", "numbers", "312-555").code == 2


def test_the_window_is_open_for_a_day_after_a_message_to_us(stack: Stack, number: str) -> None:
    ran = run_at(stack, "whatsapp", "window", number, THEIRS)
    closes = datetime.fromtimestamp(stack.simulator.account.clock.now() + 86400, UTC)
    assert (ran.code, f"open until {closes:%Y-%m-%d}" in ran.stdout) == (0, True)
    stack.simulator.advance(86400 + 60)
    closed = run_at(stack, "whatsapp", "window", number, THEIRS, "--json")
    assert (closed.code, json.loads(closed.stdout)["window_active"]) == (1, False)


def test_a_profile_is_changed_field_by_field_and_only_if_somebody_agrees(stack: Stack, number: str) -> None:
    change = ("whatsapp", "profile", number, "--set", "about=Open from 9 to 5", "--set", "email=help@acme.example")
    assert run_at(stack, *change, answer="n\n").code == 1
    assert run_at(stack, *change, "--yes", RINGBACK_DRY_RUN="true").code == 1
    assert asked(stack, "PATCH") == []
    ran = run_at(stack, *change, "--yes")
    assert (ran.code, "+ about: Open from 9 to 5" in ran.stdout) == (0, True), ran.stderr
    assert "email: help@acme.example" in run_at(stack, "whatsapp", "profile", number).stdout
    again = run_at(stack, *change, "--yes")
    assert (again.code, len(asked(stack, "PATCH"))) == (0, 1)
    wrong = run_at(stack, "whatsapp", "profile", number, "--set", "abuot=Open", "--yes")
    assert (wrong.code, "did you mean about?" in wrong.stderr) == (2, True)


def test_a_number_is_verified_called_and_deleted(stack: Stack, number: str) -> None:
    assert run_at(stack, "whatsapp", "codes", number, "--method", "call", "--yes").code == 0
    assert asked(stack, "POST")[-1].body == {"verification_method": "voice"}
    assert run_at(stack, "whatsapp", "validate", number, "000000").code == 1
    assert run_at(stack, "whatsapp", "validate", number, "123456").code == 0
    assert "calls are off" in run_at(stack, "whatsapp", "calls", number).stdout
    assert "calls are on" in run_at(stack, "whatsapp", "calls", number, "--turn", "on", "--yes").stdout
    assert run_at(stack, "whatsapp", "delete", number, answer="n\n").code == 1
    assert run_at(stack, "whatsapp", "delete", number, "--yes").code == 0
    assert run_at(stack, "whatsapp", "delete", number, "--yes").code == 1
    assert "no WhatsApp numbers" in run_at(stack, "whatsapp", "numbers").stderr
