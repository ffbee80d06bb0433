"""Limits and refusals of the account, and outages at Telnyx, through real worker processes."""

import signal
import time
import warnings
from pathlib import Path
from typing import Any

import orjson
import pytest

from service.cli.connections import ask_at
from service.security.encryption import PLAIN
from service.store.effects.blocks import Block, open_blocks
from service.store.inbox import accept as inbox
from tests.processes.fleet import NAMESPACE, Fleet, open_fleet
from tests.telnyx_events import envelope, fresh_number
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.slow,  # real processes that work for seconds
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("default::UserWarning"),  # they tell what was measured
]

HANDLERS = """
from service import Context, Event, Router
from service.outbound import gate

gate.ACCOUNT_PROBE, gate.OUTAGE_PROBES = 1.0, (0.5, 1.0)  # minutes are seconds here
router = Router()

@router.on("test.send")
async def send(event: Event, ctx: Context) -> None:
    await ctx.telnyx.messages.send(to=event.payload["number"], from_="+13125550199", text="hello")
"""


def sends(number: int) -> list[dict[str, Any]]:
    return [envelope("test.send", {"number": fresh_number()}) for _ in range(number)]


def accept(fleet: Fleet, events: list[dict[str, Any]]) -> None:
    """Accept events all at once, as an ingress would."""
    arrived = [inbox.NewEvent(each["data"]["id"], "test.send", orjson.dumps(each), "webhook") for each in events]
    ask_at(fleet.server.url, NAMESPACE, PLAIN, lambda store: inbox.accept(store, arrived))


def arrivals(fleet: Fleet) -> list[float]:
    return [each.at for each in fleet.simulator.requests if each.path == "/messages"]


def most_within_a_second(moments: list[float]) -> int:
    return max(sum(first <= each < first + 1 for each in moments) for first in moments)


def blocks(fleet: Fleet) -> dict[str, Block]:
    return {block.name: block for block in ask_at(fleet.server.url, NAMESPACE, PLAIN, open_blocks)}


def sent_once(fleet: Fleet, events: list[dict[str, Any]]) -> bool:
    return all(len(fleet.sent_to(event["data"]["payload"]["number"])) == 1 for event in events)


def lines_at_error(folder: Path) -> list[str]:
    lines = [line for log in folder.glob("worker-*.log") for line in log.read_bytes().splitlines()]
    read = (orjson.loads(line) for line in lines if line.startswith(b"{"))
    return [line["event"] for line in read if line["level"] == "error"]


@pytest.mark.parametrize(("limit", "number"), [(20, 160), (1, 6)])
def test_three_workers_together_never_exceed_the_limit(tmp_path: Path, limit: int, number: int) -> None:
    with open_fleet(tmp_path, HANDLERS, RINGBACK_LIMITS=f"sms={limit}", RINGBACK_LEASE="15s") as fleet:
        for _ in range(3):
            fleet.start_worker()
        events = sends(number)
        accept(fleet, events)
        wait_for(lambda: fleet.counts().done == number, seconds=60)
        moments = arrivals(fleet)
        took = max(moments) - min(moments)
        told = f"{number} sends at {limit}/s: at most {most_within_a_second(moments)} in a second, {took:.1f} s in all"
        warnings.warn(told, UserWarning, stacklevel=1)
        assert most_within_a_second(moments) <= limit, told
        assert took <= 2 * number / limit, told
        assert sent_once(fleet, events)
        assert fleet.audit_is_clean()


def test_a_wrong_api_key_under_load_and_then_the_right_one(tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS, RINGBACK_LIMITS="sms=1000") as fleet:
        fleet.simulator.api_key = "KEY"
        wrong = [fleet.start_worker(TELNYX_API_KEY="KEY-wrong") for _ in range(2)]
        events = sends(300)
        accept(fleet, events[:200])
        wait_for(lambda: "credentials" in blocks(fleet) and blocks(fleet)["credentials"].parked >= 195)
        refused = len(arrivals(fleet))
        began = time.monotonic()
        wait_for(lambda: time.monotonic() - began > 3)
        probes = len(arrivals(fleet)) - refused
        accept(fleet, events[200:])
        for worker in wrong:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(20) == 0
        assert (fleet.counts().dead, fleet.counts().done) == (0, 0)

        started = time.monotonic()
        fleet.start_worker()
        fleet.start_worker()
        wait_for(lambda: fleet.counts().done == 300, seconds=60)
        took = time.monotonic() - started
        told = (
            f"{refused} refused before all were parked, {probes} probes in 3 s, all done {took:.1f} s after the start"
        )
        warnings.warn(told, UserWarning, stacklevel=1)
        assert probes <= 5, "one a second here"
        assert fleet.counts().dead == 0
        assert sent_once(fleet, events)
        assert fleet.audit_is_clean()
        [told] = lines_at_error(tmp_path)
        assert told.startswith("Telnyx refuses the API key (401): set TELNYX_API_KEY to a valid key and restart")


def test_an_outage_at_telnyx_under_load(tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS, RINGBACK_LIMITS="sms=1000") as fleet:
        fleet.simulator.add_fault(path="/messages", kind="reset", times=None)
        fleet.start_worker()
        fleet.start_worker()
        events = sends(200)
        accept(fleet, events)
        wait_for(lambda: "outage" in blocks(fleet) and blocks(fleet)["outage"].parked >= 195, seconds=60)
        before, began = len(arrivals(fleet)), time.monotonic()
        wait_for(lambda: time.monotonic() - began > 5)
        probes = len(arrivals(fleet)) - before
        fleet.simulator.clear_faults()
        over = time.monotonic()
        wait_for(lambda: fleet.counts().done == 200, seconds=60)
        took = time.monotonic() - over
        told = f"{before} requests failed before all were parked, {probes} probes in 5 s, all done {took:.1f} s after"
        warnings.warn(told, UserWarning, stacklevel=1)
        assert probes <= 7, "one a second here"
        assert fleet.counts().dead == 0
        assert sent_once(fleet, events)
        assert fleet.audit_is_clean()
        assert lines_at_error(tmp_path) == []
