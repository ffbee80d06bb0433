"""Several ingress processes behind one port, and the admin port beside it."""

import signal
import time
from pathlib import Path

import httpx
import pytest

from service.cli.demo.stack import free_port
from tests.processes.fleet import open_fleet
from tests.processes.ingress_children import serving_children
from tests.telnyx_events import envelope
from tests.waiting import wait_for

EMPTY = "from service import Router\nrouter = Router()\n"


def listens(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.slow
def test_two_processes_serve_one_port_and_end_on_sigterm(tmp_path: Path) -> None:
    with open_fleet(tmp_path, EMPTY, RINGBACK_INGRESS_PROCESSES="2") as fleet:
        ingress = fleet.start_ingress()
        wait_for(lambda: len(serving_children(ingress.pid)) == 2)
        event = envelope("test.x", {})
        answers = [fleet.deliver(event).json()["status"] for _ in range(20)]
        assert sorted(set(answers)) == ["accepted", "duplicate"]
        assert answers.count("accepted") == 1
        ingress.send_signal(signal.SIGTERM)
        assert ingress.wait(20) == 0
        assert not listens(fleet.port)


@pytest.mark.slow
def test_a_killed_ingress_leaves_no_process_that_holds_its_port(tmp_path: Path) -> None:
    with open_fleet(tmp_path, EMPTY, RINGBACK_INGRESS_PROCESSES="2") as fleet:
        ingress = fleet.start_ingress()
        children = wait_for(lambda: serving_children(ingress.pid))
        ingress.kill()
        ingress.wait()
        wait_for(lambda: not listens(fleet.port))
        wait_for(lambda: all(not Path(f"/proc/{child}").exists() for child in children))
        fleet.start_ingress()


@pytest.mark.slow
def test_the_admin_port_takes_readiness_and_metrics_away_from_the_public_one(tmp_path: Path) -> None:
    admin = free_port()
    with open_fleet(tmp_path, EMPTY, RINGBACK_ADMIN_PORT=str(admin)) as fleet:
        fleet.start("ingress")
        wait_for(lambda: listens(admin))
        began = time.monotonic()
        paths = ("/healthz", "/readyz", "/metrics", "/webhooks")
        public = [httpx.get(f"http://127.0.0.1:{fleet.port}{path}", trust_env=False).status_code for path in paths]
        private = [httpx.get(f"http://127.0.0.1:{admin}{path}", trust_env=False).status_code for path in paths]
        assert (public, private) == ([200, 404, 404, 405], [200, 200, 200, 404])
        assert time.monotonic() - began < 10
