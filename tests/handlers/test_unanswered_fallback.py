"""A fallback whose first request had no clear answer: the policy holds for its repetition too."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from handlers import router as built_in
from service import clock
from tests.messages.policies import write_policy
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number
from tests.waiting import wait_for

NIGHT = """
    [[rules]]
    name = "promotions"
    class = "marketing"
    quiet_hours = { from = "21:00", to = "08:00", time_zone = "America/Chicago" }
    """
CODES = """
    [[rules]]
    name = "codes"
    class = "otp"
    """
EVENING = datetime.fromisoformat("2026-11-22T20:59:30-06:00").timestamp()


@pytest.mark.parametrize(
    ("policy", "later", "status", "state"),
    [
        (NIGHT, 1800, 503, ("waiting", "quiet_hours")),
        (NIGHT, 1800, 429, ("waiting", "quiet_hours")),
        (CODES, 11 * 60, 503, ("done", "too_old")),
        (CODES, 11 * 60, 429, ("done", "too_old")),
        (CODES, 9 * 60, 503, ("done", None)),
    ],
    ids=["night-503", "night-429", "old-503", "old-429", "young-503"],
)
def test_a_repetition_waits_for_the_morning_and_does_not_come_too_late(
    stack: Stack, tmp_path: Path, policy: str, later: float, status: int, state: tuple[str, str | None]
) -> None:
    times, number = [EVENING], fresh_number()
    stack.simulator.add_fault(status=status, method="POST", times=1, headers={"retry-after": "1"})
    at = datetime.fromtimestamp(EVENING, UTC).isoformat()
    event = envelope("message.finalized", finalized_rcs("delivery_failed", number, sent_at=at))
    with clock.moved(lambda: times[-1]):
        stack.start_worker(built_in, policy=write_policy(tmp_path, policy))
        stack.deliver(event, at=EVENING)
        wait_for(lambda: any(each.status == status for each in stack.simulator.requests))
        times.append(EVENING + later)

        def has_come(record: Any) -> bool:
            found = record.handlers.get("sms_fallback")
            return found is not None and (found.state, found.reason) == state

        record = stack.when(event, has_come)
    assert len(stack.sent_to(number)) == (1 if state == ("done", None) else 0)
    remarks = [remark for run in record.handlers["sms_fallback"].runs for remark in run.remarks]
    is_of_unknown_fate = (status, state) == (503, ("done", "too_old"))
    assert any("too_old fate=unknown" in each for each in remarks) == is_of_unknown_fate
    assert any("/detail_records" in each.path for each in stack.simulator.requests) == is_of_unknown_fate


def test_where_nothing_is_resent_a_person_decides_at_once(stack: Stack, tmp_path: Path) -> None:
    times, number = [EVENING], fresh_number()
    stack.simulator.add_fault(status=503, method="POST", times=1, headers={"retry-after": "1"})
    at = datetime.fromtimestamp(EVENING, UTC).isoformat()
    event = envelope("message.finalized", finalized_rcs("delivery_failed", number, sent_at=at))
    with clock.moved(lambda: times[-1]):
        stack.start_worker(built_in, policy=write_policy(tmp_path, NIGHT), resend="never")
        stack.deliver(event, at=EVENING)
        wait_for(lambda: any(each.status == 503 for each in stack.simulator.requests))
        times.append(EVENING + 3600)
        handler = stack.ended(event).handlers["sms_fallback"]
    assert (handler.state, handler.reason, len(stack.sent_to(number))) == ("dead", "ambiguous", 0)
