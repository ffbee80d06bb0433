"""All of `ringback up` in 256 MB and half a core, at 100 events a second for ten minutes."""

import http.client
import os
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import orjson
import pytest
from nacl.signing import SigningKey

from service.cli.demo.stack import free_port
from service.security.telnyx_signature import public_key_text, sign
from service.testing.samples import sample
from service.testing.simulator import Simulator
from service.testing.simulator import running as simulating
from tests.processes.running import clean_environment, running
from tests.waiting import wait_for

MEMORY, CORES, RATE = 256 * 1024**2, 0.5, 100
SECONDS = float(os.environ.get("SMALL_MACHINE_SECONDS", "600"))
SENDERS = 10
PERIOD = 100_000
GROUPS = Path("/sys/fs/cgroup")


@contextmanager
def limited() -> Iterator[tuple[Path, Path]]:
    """Control groups (version 1) with these limits, for memory and for the processor."""
    name = f"ringback-{os.getpid()}"
    memory, cpu = GROUPS / "memory" / name, GROUPS / "cpu" / name
    try:
        for each in (memory, cpu):
            each.mkdir()
        (memory / "memory.limit_in_bytes").write_text(str(MEMORY))
        (cpu / "cpu.cfs_period_us").write_text(str(PERIOD))
        (cpu / "cpu.cfs_quota_us").write_text(str(int(PERIOD * CORES)))
    except OSError:
        pytest.skip("no control groups of version 1 can be made here")
    try:
        yield memory, cpu
    finally:
        for each in (memory, cpu):
            wait_for(partial(_is_empty, each), seconds=60)
            each.rmdir()


def resident(memory: Path) -> int:
    """The bytes of all processes of the group, without the files that the system keeps in memory."""
    lines = (memory / "memory.stat").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("total_rss ", "total_mapped_file ")))


@dataclass
class Load:
    """Inbound messages at a steady rate: each sender has its own times, and does not wait for the others."""

    port: int
    key: SigningKey
    answers: Counter[int] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)

    def send(self, number: int, began: float) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        for turn in range(int(SECONDS * RATE / SENDERS)):
            time.sleep(max(0.0, began + (turn * SENDERS + number) / RATE - time.monotonic()))
            body = orjson.dumps(sample("sms.received", number=f"+1312555{turn % 10_000:04d}"))
            headers = {**sign(body, self.key, int(time.time())), "content-type": "application/json"}
            sent = time.perf_counter()
            connection.request("POST", "/webhooks", body=body, headers=headers)
            answer = connection.getresponse()
            answer.read()
            self.answers[answer.status] += 1
            self.took.append(time.perf_counter() - sent)
        connection.close()


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_up_fits_into_a_small_machine(tmp_path: Path) -> None:
    key, port = SigningKey.generate(), free_port()
    with limited() as (memory, cpu), simulating(Simulator()) as telnyx:
        environment = clean_environment(
            TELNYX_PUBLIC_KEY=public_key_text(key),
            TELNYX_API_KEY="KEY",
            TELNYX_BASE_URL=f"{telnyx}/v2",
            RINGBACK_PORT=str(port),
            RINGBACK_RETENTION="1h",
        )
        join = f"import os; [open(each, 'w').write(str(os.getpid())) for each in {_procs(memory, cpu)}]\n"
        (tmp_path / "sitecustomize.py").write_text(join)
        environment["PYTHONPATH"] = str(tmp_path)
        (tmp_path / "work").mkdir(mode=0o700)
        with running("up", cwd=tmp_path / "work", log=tmp_path / "up.log", environment=environment):
            wait_for(lambda: _is_ready(port), seconds=120)
            load, most = Load(port, key), resident(memory)
            began = time.monotonic()
            senders = [threading.Thread(target=load.send, args=(each, began)) for each in range(SENDERS)]
            for each in senders:
                each.start()
            while any(each.is_alive() for each in senders):
                senders[0].join(2)
                most = max(most, resident(memory))
            state = dict(line.split() for line in (memory / "memory.oom_control").read_text().splitlines())
    percentiles = statistics.quantiles(load.took[len(load.took) // 60 :], n=100)
    figures = (
        f"{dict(load.answers)}, median {percentiles[49] * 1000:.0f} ms, p99 {percentiles[98] * 1000:.0f} ms,"
        f" processes {most / 1024**2:.0f} MB at most, killed {state.get('oom_kill')}"
    )
    # For docs/sizing.md.
    (tmp_path / "figures.txt").write_text(figures + "\n")
    assert set(load.answers) == {200}
    assert state.get("oom_kill", "0") == "0"
    assert percentiles[98] < 0.1, figures


def _is_empty(group: Path) -> bool:
    return not (group / "cgroup.procs").read_text().split()


def _procs(*groups: Path) -> list[str]:
    return [str(each / "cgroup.procs") for each in groups]


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
