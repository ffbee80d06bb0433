"""A clock that is off: webhooks are refused for their timestamps, and /readyz and the metrics say so."""

import time

from service.ingress.clock_watch import LEAST
from tests.monitoring.test_alerts import rules
from tests.stack import Stack
from tests.telnyx_events import envelope


def refuse(stack: Stack, *, by: float) -> None:
    answer = stack.deliver(envelope("test.one", {}), at=time.time() + by)
    assert (answer.status_code, answer.json()) == (401, {"error": "timestamp is beyond the tolerance"})


def warning(stack: Stack) -> str:
    ready = stack.http.get("/readyz")
    assert ready.status_code == 200
    return str(ready.json().get("warning"))


def test_readyz_names_the_clock_until_a_webhook_verifies(stack: Stack) -> None:
    for _ in range(LEAST - 1):
        refuse(stack, by=-3600)
    assert "clock" not in warning(stack)
    refuse(stack, by=-3600)
    assert "3600 s ago by this machine's clock. Next: set the clock" in warning(stack)
    assert stack.deliver(envelope("test.one", {})).status_code == 200
    assert "clock" not in warning(stack)
    for _ in range(LEAST):
        refuse(stack, by=3600)
    assert "s ahead by this machine's clock" in warning(stack)


def test_the_alert_asks_for_the_reason_that_refused_webhooks_are_counted_under(stack: Stack) -> None:
    refuse(stack, by=-3600)
    [rule] = [each for each in rules() if each["alert"] == "RingbackClockOff"]
    counted = 'ringback_deliveries_total{arrived_by="webhook",reason="timestamp is beyond the tolerance",status="401"}'
    assert counted in stack.http.get("/metrics").text
    assert 'status="401", reason="timestamp is beyond the tolerance"' in rule["expr"]
