"""A call that waits for its slot, on a clock of its own."""

import asyncio
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from service.outbound import gate as module
from service.outbound.api_call import Call
from service.outbound.gate import GOOD_FOR, Gate
from service.settings import Settings
from service.store.effects.rate_limits import AdmissionRequest, Granted
from tests.outbound.test_governor import sms

READ = Call("GET", "/messages")


def requests_of(
    monkeypatch: pytest.MonkeyPatch, call: Call, *granted: Granted, redis: float, late: float
) -> tuple[list[AdmissionRequest], float | None, Any]:
    """Return the requests for slots, the seconds that passed, and the answer.

    Redis takes some seconds to answer, and the process goes on some seconds late after its sleep.
    """
    now, asked, answers = [0.0], list[AdmissionRequest](), iter(granted)

    async def acquire(_: Any, request: AdmissionRequest) -> Granted:
        asked.append(request)
        now[0] += redis
        return next(answers)

    async def sleep(seconds: float) -> None:
        now[0] += seconds + late

    monkeypatch.setattr(module, "rate_limits", SimpleNamespace(acquire=acquire))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(module, "asyncio", SimpleNamespace(shield=asyncio.shield, sleep=sleep))
    tested = Gate(SimpleNamespace(), Settings())  # type: ignore[arg-type] # nothing reaches Redis

    async def acquired() -> Any:
        return await tested.acquire(call, event_id="e", returning=False)

    answer = anyio.run(acquired)
    labels: dict[str, str] = {"product": call.product or "other"}
    return asked, tested.metrics.registry.get_sample_value("ringback_gate_wait_seconds_sum", labels), answer


@pytest.mark.parametrize(("redis", "late"), [(0.0, 0.0), (GOOD_FOR, 0.0), (0.0, GOOD_FOR)])
def test_a_call_goes_in_the_slot_that_it_waited_for(monkeypatch: pytest.MonkeyPatch, redis: float, late: float) -> None:
    slot = Granted(0.0 if redis or late else 1.5, slot=b"1")
    asked, waited, answer = requests_of(monkeypatch, sms(), slot, redis=redis, late=late)
    assert len(asked) == 1
    assert waited == slot.wait + redis + late
    assert answer == slot


def test_a_call_that_is_late_gives_its_slot_back_and_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = [Granted(0.5, slot=b"s%d" % number) for number in range(4)]
    asked, waited, answer = requests_of(monkeypatch, sms(), *slots, redis=0.02, late=0.02)
    assert [(each.requeued, each.unused) for each in asked] == [(False, b""), (True, b"s0"), (True, b"s1")]
    assert waited == pytest.approx(3 * 0.54)
    assert answer.slot == b"s2"


def test_a_call_without_a_limit_is_never_late(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, _, _ = requests_of(monkeypatch, READ, Granted(0.0), redis=9.0, late=0.0)
    assert len(asked) == 1
