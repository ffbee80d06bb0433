"""The account at Telnyx: key, clock, credit."""

import asyncio
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from service import clock
from service.doctor import account
from service.doctor.deployment import opened
from tests.doctor.looking import look
from tests.stack import Stack


def test_a_key_is_tried_by_reading(stack: Stack) -> None:
    assert look(stack, "account").status == "ok"
    assert {each.method for each in stack.simulator.requests} == {"GET"}
    stack.simulator.api_key = "another"
    try:
        found = look(stack, "account")
    finally:
        stack.simulator.api_key = None
    assert (found.status, "401" in found.told) == ("failed", True)


def test_the_sdk_is_loaded_before_the_time_limit_of_a_check_begins(stack: Stack) -> None:
    async def loaded() -> set[str]:
        async with opened(stack.settings) as deployment:
            return set(vars(deployment.telnyx))

    assert {"messaging_profiles", "balance"} <= asyncio.run(loaded())


def test_checks_behind_a_refused_key_are_not_tried(stack: Stack) -> None:
    found = look(stack, "balance", api_key=None)
    assert found.status == "failed"
    assert found.told.startswith("not checked, since the check `account` failed")
    assert stack.simulator.requests == []


@pytest.mark.parametrize(
    ("seconds", "status", "told"),
    [(0, "ok", "agrees"), (60, "warning", "60 s ahead of"), (-900, "failed", "900 s behind")],
)
def test_the_clock_is_compared_with_that_of_telnyx(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, seconds: float, status: str, told: str
) -> None:
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + seconds)
    found = look(stack, "clock")
    assert found.status == status
    # A second may pass between the question and the answer.
    assert told.split(" ", 1)[-1] in found.told


@pytest.mark.parametrize(("credit", "status"), [(100, "ok"), (3.5, "warning"), (0, "failed"), (-20, "failed")])
def test_the_credit_is_looked_at(stack: Stack, credit: float, status: str) -> None:
    stack.simulator.account.billing.balance = credit
    found = look(stack, "balance")
    assert found.status == status
    assert f"{credit:,.2f} USD" in found.told
    assert status == "ok" or "Mission Control" in found.told


def test_a_fault_of_a_check_is_a_finding_without_its_secret(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> float:
        raise ValueError("token-of-somebody")

    monkeypatch.setattr(account, "clock", SimpleNamespace(now=broken))
    found = look(stack, "clock", api_key=SecretStr("KEY"))
    assert found.status == "failed"
    assert "ValueError" in found.told
    assert "token-of-somebody" not in found.told
