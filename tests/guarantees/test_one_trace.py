"""One trace leads from the webhook to Telnyx, through a killed worker and a retry."""

from pathlib import Path

import pytest

from tests.monitoring.otlp_collector import collecting
from tests.processes.fleet import open_fleet
from tests.telnyx_events import envelope, fresh_number
from tests.waiting import wait_for

pytestmark = pytest.mark.slow  # real processes, killed and started again

HANDLERS = """
from pathlib import Path
from service import Context, Event, Router

router = Router()

@router.on("test.traced")
async def send(event: Event, ctx: Context) -> None:
    await ctx.telnyx.messages.send(to=event.payload["to"], from_="+13125550199", text="a secret text")
    with Path("runs").open("a") as file:
        print("sent", file=file)
    if ctx.attempt == 1:
        raise KeyError("a secret text")
    await ctx.schedule("test.later", {}, after=0.1, key=event.payload["to"])

@router.on("test.later")
async def later(event: Event, ctx: Context) -> None: ...
"""


def test_one_trace_leads_from_the_webhook_to_telnyx_over_a_crash_and_a_retry(tmp_path: Path) -> None:
    caller, number = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", fresh_number()
    with collecting() as collector:
        traces = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=a-secret-header",
        }
        with open_fleet(tmp_path, HANDLERS, **traces) as fleet:
            fleet.start_ingress()
            worker = fleet.start_worker()
            fleet.simulator.add_fault(kind="slow", when="after", method="POST", path="/messages", seconds=30)
            event = envelope("test.traced", {"to": number})
            assert fleet.deliver(event, headers={"traceparent": caller}).status_code == 200
            wait_for(lambda: fleet.simulator.account.messages)
            worker.kill()
            fleet.start_worker()
            assert fleet.ended(event).state == "done"
            wait_for(lambda: any(each.name == "process later" for each in collector.spans))
            wait_for(lambda: len([each for each in collector.spans if each.name == "process send"]) == 2)
        assert len(fleet.simulator.account.messages) == 1
    [server] = collector.of_kind("SERVER")
    accepted, derived = sorted(collector.of_kind("PRODUCER"), key=lambda each: each.service)
    first, second, timer = collector.of_kind("CONSUMER")
    calls = collector.of_kind("CLIENT")
    one_trace = {each.trace_id for each in (server, accepted, first, second, *calls)}
    assert one_trace == {caller[3:35]}
    assert server.parent_id == caller[36:52]
    assert (accepted.parent_id, accepted.links) == (server.span_id, [server.place])
    assert [each.parent_id for each in (first, second)] == [server.span_id] * 2
    assert server.place in first.links
    assert server.place in second.links
    assert first.attributes["ringback.event.lapses"] == 1
    # The run of the killed worker never ended. Its request is the one that the next run repeats under the same key.
    assert [each.parent_id for each in calls] == [first.span_id, second.span_id]
    assert [each.attributes.get("ringback.effect.request") for each in calls] == ["repeated", None]
    assert [each.attributes["ringback.effect.result"] for each in calls] == ["done", "stored"]
    assert (first.failed, first.attributes["error.type"]) == (True, "KeyError")
    assert (second.failed, second.attributes["ringback.handler.attempt"]) == (False, 2)
    # The timer's event has a trace of its own, which leads to its cause, and its cause leads there.
    assert derived.links == [second.place]
    assert derived.place in second.links
    assert (timer.trace_id, timer.parent_id) == derived.place
    assert {each.service for each in collector.spans} == {"ringback-ingress", "ringback-worker"}
    for secret in (number, number[1:], "a secret text", "a-secret-header", "KEY"):
        assert secret.encode() not in collector.raw.replace(b"KeyError", b"")
