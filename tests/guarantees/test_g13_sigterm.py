"""G13: SIGTERM: no new work, what runs is finished or handed back within the grace, exit 0."""

import signal
import socket
import time
from pathlib import Path

import orjson
import pytest

from service.security.telnyx_signature import sign
from tests.processes.fleet import open_fleet
from tests.telnyx_events import envelope
from tests.waiting import wait_for

pytestmark = pytest.mark.slow  # real processes, killed and started again

HANDLERS = """
import asyncio
from pathlib import Path
from service import Context, Event, Router

router = Router()

@router.on("test.short")
async def short(event: Event, ctx: Context) -> None:
    Path("begun").write_text("")
    await asyncio.sleep(1)

@router.on("test.endless")
async def endless(event: Event, ctx: Context) -> None:
    with Path("endless").open("a") as file:
        print(ctx.attempt, file=file)
    if len(Path("endless").read_text().splitlines()) == 1:
        await asyncio.Event().wait()
"""


def test_a_worker_finishes_what_it_can_hands_back_the_rest_and_takes_nothing_new(tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS, RINGBACK_LEASE="30s") as fleet:
        fleet.start_ingress()
        worker = fleet.start_worker()
        short, endless, late = (envelope(kind, {}) for kind in ("test.short", "test.endless", "test.late"))
        fleet.accepted(short, endless)
        wait_for(lambda: (tmp_path / "begun").exists() and fleet.written("endless"))
        worker.send_signal(signal.SIGTERM)
        wait_for(lambda: b'"stopping"' in (tmp_path / "worker-1.log").read_bytes())
        fleet.accepted(late)
        assert worker.wait(10) == 0
        records = {name: fleet.record(event["data"]["id"]) for name, event in {"short": short, "late": late}.items()}
        assert {name: record and record.state for name, record in records.items()} == {"short": "done", "late": "open"}
        handed_back = fleet.record(endless["data"]["id"])
        assert handed_back is not None
        assert (handed_back.state, handed_back.handlers["endless"].attempts) == ("open", 0)

        fleet.start_worker()
        assert fleet.ended(endless, seconds=5).state == "done"
        assert fleet.ended(late, seconds=5).state == "ignored"
        assert fleet.written("endless") == ["1", "1"]


def test_an_ingress_answers_what_it_has_begun_to_receive(tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS) as fleet:
        ingress = fleet.start_ingress()
        body = orjson.dumps(envelope("test.late", {}))
        headers = "".join(f"{name}: {value}\r\n" for name, value in sign(body, fleet.key, int(time.time())).items())
        with socket.create_connection(("127.0.0.1", fleet.port), timeout=10) as connection:
            head = f"POST /webhooks HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
            connection.sendall(head.encode() + body[:-1])
            wait_for(fleet._ready)
            ingress.send_signal(signal.SIGTERM)
            wait_for(lambda: not fleet._ready())
            connection.sendall(body[-1:])
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        assert ingress.wait(10) == 0
