"""Metrics of real processes: several that answer as one, and the ports on which they do."""

import os
import re
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import orjson
import pytest
from nacl.signing import SigningKey
from prometheus_client import generate_latest

from service.cli.demo.stack import free_port
from service.ingress.metrics import IngressMetrics, ProcessSlot
from service.processes.sockets import CannotListen, listen
from service.security.telnyx_signature import public_key_text
from tests.monitoring.scraping import Scrape, scraped
from tests.processes.fleet import Fleet, open_fleet
from tests.processes.ingress_children import serving_children
from tests.processes.running import clean_environment, ringback, running
from tests.telnyx_events import envelope
from tests.waiting import wait_for

EMPTY = "from service import Router\nrouter = Router()\n"
DELIVERIES = "ringback_deliveries_total"


def exposed(metrics: IngressMetrics) -> Scrape:
    return Scrape(generate_latest(metrics.registry).decode())


def never_falling(port: int) -> Callable[[float], bool]:
    """Asks again and again, each time whichever process answers, whether that many deliveries are counted."""
    before = 0.0

    def counts(number: float) -> bool:
        nonlocal before
        now = scraped(port).sum(DELIVERIES)
        assert before <= now <= number
        before = now
        return now == number

    return counts


def deliver(fleet: Fleet, number: int) -> None:
    fleet.accepted(*(envelope("test.x", {}) for _ in range(number)))


def folder_of_counts(folder: Path) -> Path:
    [found] = folder.glob("ringback-counts-*")
    return found


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_whichever_process_is_asked_answers_for_all_and_a_killed_one_leaves_its_numbers(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with open_fleet(tmp_path, EMPTY, RINGBACK_INGRESS_PROCESSES="2", TMPDIR=str(temporary)) as fleet:
        ingress = fleet.start_ingress()
        wait_for(lambda: len(serving_children(ingress.pid)) == 2)
        counts = never_falling(fleet.port)
        deliver(fleet, 30)
        wait_for(lambda: counts(30))
        assert folder_of_counts(temporary).stat().st_mode & 0o777 == 0o700

        killed = serving_children(ingress.pid)
        # What was shown is written down, by both, so nothing goes with them.
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not set(killed) & set(serving_children(ingress.pid)))
        wait_for(fleet._ready)
        deliver(fleet, 20)
        wait_for(lambda: counts(50))
        wait_for(lambda: len(serving_children(ingress.pid)) == 2)

        seen = scraped(fleet.port)
        assert seen.sum("ringback_events_accepted_total", type="test.x") == 50
        assert seen.value("ringback_accept_seconds_count") == 50
        assert seen.value("ringback_events", state="open") == 50
        assert len(list(folder_of_counts(temporary).glob("*.json"))) <= 2, "a process started again goes on in its slot"
        ingress.send_signal(signal.SIGTERM)
        assert ingress.wait(20) == 0
        assert not list(temporary.glob("ringback-counts-*"))


def test_a_slot_is_free_again_with_its_numbers_once_its_holder_has_gone(tmp_path: Path) -> None:
    with closing(ProcessSlot(tmp_path)) as first:
        second = ProcessSlot(tmp_path)
        one, other = IngressMetrics(first), IngressMetrics(second)
        one.answered(200, "accepted", "webhook", 0.1)
        other.accepted("test.x", None, 0)
        assert exposed(other).sum(DELIVERIES) == 0, "not written down yet"
        assert exposed(one).sum(DELIVERIES) == 1
        assert exposed(other).sum(DELIVERIES) == 1
        second.close()

        with closing(ProcessSlot(tmp_path)) as successor:
            third = IngressMetrics(successor)
            third.answered(200, "accepted", "webhook", 0.1)
            assert exposed(third).sum(DELIVERIES) == 2
            assert exposed(one).sum(DELIVERIES) == 2
            assert exposed(one).sum("ringback_events_accepted_total") == 1
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["0.json", "1.json"]


@pytest.mark.parametrize("written", [b"", b"{", b"[]", b"[1,2,3,4]", b"[[],[],[[1],0.0],[[1],0.0]]", b"null"])
def test_what_another_version_wrote_is_passed_over(tmp_path: Path, written: bytes) -> None:
    for name in ("0", "1"):
        (tmp_path / f"{name}.json").write_bytes(written)
    with closing(ProcessSlot(tmp_path)) as slot:
        metrics = IngressMetrics(slot)
        metrics.answered(200, "accepted", "webhook", 0.1)
        assert exposed(metrics).sum(DELIVERIES) == 1


def test_types_stay_bounded_however_often_a_process_is_started_again(tmp_path: Path) -> None:
    for life in range(3):
        with closing(ProcessSlot(tmp_path)) as slot:
            metrics = IngressMetrics(slot)
            for number in range(80):
                metrics.accepted(f"life_{life}.type_{number}", None, 0)
            exposed(metrics)
    with closing(ProcessSlot(tmp_path)) as slot:
        seen = exposed(IngressMetrics(slot))
    assert len(seen.labels("ringback_events_accepted_total", "type")) == 101
    assert seen.sum("ringback_events_accepted_total") == 240


def test_what_cannot_be_written_down_stops_nothing(tmp_path: Path) -> None:
    with closing(ProcessSlot(tmp_path)) as slot:
        metrics = IngressMetrics(slot)
        metrics.answered(200, "accepted", "webhook", 0.1)
        (tmp_path / "0.draft").mkdir()
        assert exposed(metrics).sum(DELIVERIES) == 1
        assert not slot.read()
        (tmp_path / "0.draft").rmdir()
        exposed(metrics)
        assert orjson.loads(slot.read())


def test_without_a_folder_for_temporary_files_several_processes_do_not_start(tmp_path: Path) -> None:
    refuse = "import tempfile\ndef none(*_, **__): raise FileNotFoundError\ntempfile.mkdtemp = none\n"
    (tmp_path / "sitecustomize.py").write_text(refuse)
    ended = ringback(
        "ingress",
        cwd=tmp_path,
        PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[2]}",
        TELNYX_PUBLIC_KEY=public_key_text(SigningKey.generate()),
        REDIS_URL="redis://127.0.0.1:1/0",
        RINGBACK_PORT="0",
        RINGBACK_INGRESS_PROCESSES="2",
    )
    assert ended.returncode == 2
    assert "TMPDIR" in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["1", "2"])
def test_admin_port_0_is_a_free_port_that_has_all_admin_routes(tmp_path: Path, processes: str) -> None:
    with open_fleet(tmp_path, EMPTY, RINGBACK_ADMIN_PORT="0", RINGBACK_INGRESS_PROCESSES=processes) as fleet:
        fleet.start("ingress")
        log = fleet.folder / "ingress-0.log"
        found = wait_for(lambda: re.search(r'"ports": \[(\d+), (\d+)\]', log.read_text()))
        public, admin = map(int, found.groups())
        assert public == fleet.port

        def status(port: int, path: str) -> int:
            return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False, timeout=20).status_code

        paths = ("/healthz", "/readyz", "/metrics", "/webhooks")
        assert [status(admin, path) for path in paths] == [200, 200, 200, 404]
        assert [status(public, path) for path in paths] == [200, 404, 404, 405]


@pytest.mark.slow
def test_under_up_the_worker_serves_its_own_on_the_next_port(tmp_path: Path) -> None:
    (tmp_path / "my_handlers.py").write_text(EMPTY)
    admin = next(port for port in iter(free_port, None) if can_listen(port + 1))
    environment = clean_environment(
        TELNYX_PUBLIC_KEY=public_key_text(SigningKey.generate()),
        TELNYX_API_KEY="KEY",
        HANDLERS="my_handlers:router",
        RINGBACK_PORT="0",
        RINGBACK_ADMIN_PORT=str(admin),
        RINGBACK_GRACE="2s",
    )
    log = tmp_path / "up.log"
    with running("up", cwd=tmp_path, log=log, environment=environment) as process:
        wait_for(lambda: process.poll() is not None or b"worker ready" in log.read_bytes())
        assert process.poll() is None, log.read_text()
        wait_for(lambda: b"ingress listening" in log.read_bytes())
        ingress, worker = scraped(admin), scraped(admin + 1)

    assert ingress.value("ringback_accept_seconds_count") == 0
    assert worker.value("ringback_accepted_to_ended_seconds_count") == 0
    for seen in (ingress, worker):
        assert seen.value("ringback_redis_up") == 1
        assert seen.value("ringback_events", state="open") == 0


def can_listen(port: int) -> bool:
    """Whether a port is free too."""
    try:
        listen("127.0.0.1", port, "").close()
    except CannotListen:
        return False
    return True
