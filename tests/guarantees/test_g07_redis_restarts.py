"""G7: a restart of Redis leaves ingress and worker alive; they resume within five seconds of its return."""

import time
from pathlib import Path

import pytest

from tests.processes.fleet import open_fleet
from tests.telnyx_events import envelope
from tests.waiting import wait_for

pytestmark = pytest.mark.slow  # real processes, killed and started again

HANDLERS = """
from service import Context, Event, Router

router = Router()

@router.on("test.*")
async def nothing(event: Event, ctx: Context) -> None: ...
"""


def test_redis_unavailable_for_a_second_and_a_half(tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS, RINGBACK_LEASE="15s") as fleet:
        ingress, worker = fleet.start_ingress(), fleet.start_worker()
        fleet.accepted(first := envelope("test.one", {}))
        assert fleet.ended(first).state == "done"

        fleet.server.process.terminate()
        fleet.server.process.wait()
        gone = time.monotonic()
        refused = envelope("test.two", {})
        assert fleet.deliver(refused).status_code == 503
        wait_for(lambda: time.monotonic() - gone > 1.5)
        fleet.restart_server()
        back = time.monotonic()

        wait_for(lambda: fleet.deliver(refused).status_code == 200)
        assert fleet.ended(refused).state == "done"
        assert time.monotonic() - back < 5
        assert (ingress.poll(), worker.poll()) == (None, None)
