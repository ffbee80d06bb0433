"""Down for an hour: real processes heal what Telnyx could not deliver, while new events are picked up at once."""

import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from service.cli.connections import ask_at
from service.security.encryption import PLAIN
from service.security.telnyx_signature import sign
from service.store.inbox.healing import state_of
from service.testing.simulator.webhooks.deliveries import Attempt, Exchange, WebhookDelivery
from tests.healing.missed import HOUR, STRANGER
from tests.processes.fleet import NAMESPACE, Fleet, open_fleet
from tests.processes.running import RINGBACK
from tests.telnyx_events import envelope, fresh_number, received_sms
from tests.waiting import wait_for

pytestmark = pytest.mark.slow  # real processes

HANDLERS = """
from pathlib import Path
from typing import Any
from service import Context, Event, Router

router = Router()

@router.on("message.received", "test.live")
async def count(event: Event, ctx: Context) -> None:
    with Path("runs").open("a") as file:
        print(event.id, file=file)
"""
PICKUP = 50
"""Milliseconds within which 99 of 100 new events are picked up while a backlog drains."""
URL = "RINGBACK_PUBLIC_URL"
LONG = 600
"""Seconds that are waited for 10,000 events. The time limit of the test itself is shorter for few."""


def failed(fleet: Fleet, number: int, *, at: float, spread: float, url: str) -> list[str]:
    """Record deliveries that Telnyx gave up on, over some simulated seconds; answers the ids of their events."""
    ids: list[str] = []
    for each in range(number):
        body = envelope("message.received", received_sms(fresh_number(), "Hello"))
        began = at + spread * each / number
        attempts = tuple(Attempt(url, began + pause, began + pause + 0.1, Exchange({})) for pause in (0, 1, 3))
        fleet.simulator.account.webhook_deliveries.put(WebhookDelivery(str(uuid.uuid4()), body["data"], attempts))
        ids.append(str(body["data"]["id"]))
    return ids


def live(fleet: Fleet, *, until: Callable[[], bool]) -> list[str]:
    """Deliver new events until a condition holds; answers their ids."""
    ids: list[str] = []
    with httpx.Client(base_url=f"http://127.0.0.1:{fleet.port}", trust_env=False) as http:
        while len(ids) % 20 or not until():
            body = envelope("test.live", {})
            raw = orjson.dumps(body)
            assert (
                http.post("/webhooks", content=raw, headers=sign(raw, fleet.key, int(time.time()))).status_code == 200
            )
            ids.append(str(body["data"]["id"]))
    return ids


def healed(fleet: Fleet) -> int:
    state = ask_at(fleet.server.url, NAMESPACE, PLAIN, state_of)
    return 0 if state is None else state.healed


@pytest.mark.parametrize(
    ("number", "share"), [(1_000, 0.9), pytest.param(10_000, 0.99, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_after_an_hour_each_missed_event_is_processed_once_and_new_ones_are_picked_up_at_once(
    tmp_path: Path, number: int, share: float
) -> None:
    with open_fleet(tmp_path, HANDLERS) as fleet:
        ours = f"http://127.0.0.1:{fleet.port}/webhooks"
        fleet.environment[URL] = ours
        failed(fleet, number, at=time.time() - 5 * HOUR, spread=HOUR, url=ours)
        fleet.start_ingress()
        worker = fleet.start_worker()
        wait_for(lambda: fleet.server_has("heal", at_least=1))
        arrived = envelope("message.received", received_sms(fresh_number(), "Hello"))
        fleet.accepted(arrived)
        fleet.ended(arrived)
        without_backlog = live(fleet, until=lambda: len(fleet.written("runs")) > 200)
        worker.terminate()
        worker.wait()

        began = time.time()
        fleet.simulator.advance(HOUR)
        missed = failed(fleet, number, at=began, spread=HOUR, url=ours)
        failed(fleet, number, at=began, spread=HOUR, url=STRANGER)
        row = WebhookDelivery("known", arrived["data"], (Attempt(ours, began, began + 2, Exchange({})),))
        fleet.simulator.account.webhook_deliveries.put(row)
        fleet.start_worker()
        # The strangers' deliveries come first in the list, and a busy machine takes long over them.
        wait_for(lambda: healed(fleet) > 0, seconds=LONG)
        drained = time.monotonic()
        new = live(fleet, until=lambda: healed(fleet) >= number)
        took = time.monotonic() - drained
        expected = {*missed, *new, *without_backlog, str(arrived["data"]["id"])}
        wait_for(lambda: len(fleet.written("runs")) >= len(expected), seconds=LONG)

        runs = fleet.written("runs")
        assert (sorted(runs), len(runs)) == (sorted(expected), len(expected)), "each once, and no other"
        waited, alone = percentile(fleet, new, share), percentile(fleet, without_backlog, share)
        told = (
            f"{number} healed in {took:.1f} s, {len(new)} new: p{share:.0%} {waited} ms, {alone} ms without a backlog"
        )
        sys.stderr.write(told + "\n")
        assert waited <= max(PICKUP, 4 * alone), "a busy machine is slow without a backlog, too"
        assert fleet.audit_is_clean()


def percentile(fleet: Fleet, ids: list[str], share: float) -> int:
    """The pickup that this share of events does not exceed, in milliseconds."""
    return sorted(pickup(fleet, each) for each in ids)[int(len(ids) * share)]


def pickup(fleet: Fleet, event_id: str) -> int:
    """Milliseconds from the acceptance of an event to the begin of its run."""
    record = fleet.record(event_id)
    assert record is not None
    return record.handlers["count"].runs[0].began - record.received_at


def test_the_command_prints_nothing_but_its_answer(tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS) as fleet:
        ours = f"http://127.0.0.1:{fleet.port}/webhooks"
        fleet.environment[URL] = ours
        command = [*RINGBACK, "heal", "--since", "2h", "--json"]
        options: Any = {"cwd": tmp_path, "env": fleet.environment, "capture_output": True}
        subprocess.run(command, check=False, **options)
        [missed] = failed(fleet, 1, at=time.time(), spread=0, url=ours)
        ran = subprocess.run(command, check=False, **options)
        assert ran.returncode == 0
        assert [each["id"] for each in orjson.loads(ran.stdout)["events"]] == [missed]


def test_a_worker_that_is_killed_while_it_heals_is_followed_by_one_that_goes_on(tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS) as fleet:
        ours = f"http://127.0.0.1:{fleet.port}/webhooks"
        fleet.environment[URL] = ours
        fleet.start_worker().kill()
        missed = failed(fleet, 300, at=time.time(), spread=HOUR, url=ours)
        fleet.simulator.advance(HOUR)
        for part in (50, 150):
            worker = fleet.start_worker()
            wait_for(lambda part=part: healed(fleet) >= part)  # type: ignore[misc]
            worker.kill()
            worker.wait()
        fleet.start_worker()
        wait_for(lambda: set(fleet.written("runs")) == set(missed), seconds=40)
        wait_for(lambda: fleet.counts().open == 0)
        counts = fleet.counts()
        assert (counts.accepted, counts.done) == (300, 300)
        # A batch of three is counted after it is stored, so each of two kills may leave one uncounted.
        assert 294 <= healed(fleet) <= 300
        assert fleet.audit_is_clean()


def test_a_command_that_is_killed_while_it_heals_can_be_run_again(tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS) as fleet:
        ours = f"http://127.0.0.1:{fleet.port}/webhooks"
        fleet.start_worker()  # without a public URL, so that it heals nothing
        command = [*RINGBACK, "heal", "--since", "2h", "--json"]
        options: Any = {"cwd": tmp_path, "env": {**fleet.environment, URL: ours}, "stdout": subprocess.DEVNULL}
        subprocess.run(command, check=False, **options)
        missed = failed(fleet, 300, at=time.time(), spread=HOUR, url=ours)
        fleet.simulator.advance(HOUR)
        for part in (50, 150):
            cut_off = subprocess.Popen(command, **options)
            wait_for(lambda part=part: fleet.counts().accepted >= part)  # type: ignore[misc]
            assert cut_off.poll() is None
            cut_off.kill()
            cut_off.wait()
        assert subprocess.run(command, check=False, **options).returncode == 0
        wait_for(lambda: sorted(fleet.written("runs")) == sorted(missed))
        assert fleet.audit_is_clean()
