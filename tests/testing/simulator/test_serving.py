"""The simulator on a port: as a process, in a thread, as a pytest fixture."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from service.testing.simulator import Simulator, running, serve
from tests.processes.running import ringback
from tests.tiers import slow

_ROOT = Path(__file__).parents[3]
_KEY = {"authorization": "Bearer KEY"}
_PROGRAM = (
    "from service.testing.simulator import Simulator, serve\nserve(Simulator(seed=3), host='127.0.0.1', port=0)\n"
)
_SUITE = """
import httpx
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_the_fixture_begins_with_nothing(telnyx_simulator, number):
    assert telnyx_simulator.simulator.requests == []
    headers = {"authorization": "Bearer KEY"}
    agents = httpx.get(telnyx_simulator.base_url + "/messaging/rcs/agents", headers=headers, trust_env=False)
    assert len(agents.json()["data"]) == 3
    assert [request.path for request in telnyx_simulator.simulator.requests] == ["/messaging/rcs/agents"]
    telnyx_simulator.simulator.latency = 30.0
    telnyx_simulator.simulator.api_key = "KEY of this test"
"""


@contextmanager
def _process() -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    said, _, address = process.stdout.readline().strip().partition(": ")
    assert said == "simulator"
    return address


@pytest.mark.parametrize("number", [signal.SIGTERM, *slow(signal.SIGINT)])
def test_it_says_where_it_listens_and_stops_when_told(number: signal.Signals) -> None:
    with _process() as process:
        address = _address(process)
        assert address.startswith("http://127.0.0.1:")
        assert address.endswith("/v2")
        response = httpx.get(f"{address}/messaging_profiles", headers=_KEY, trust_env=False)
        assert len(response.json()["data"]) == 3
        process.send_signal(number)
        rest, errors = process.communicate(timeout=10)
        assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.slow
def test_it_stops_while_a_request_is_being_served() -> None:
    with _process() as process:
        address = _address(process)
        root = address.removesuffix("/v2")
        httpx.post(f"{root}/_simulator/faults", json={"kind": "slow", "seconds": 60}, trust_env=False)
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{address}/messaging_profiles", headers=_KEY, timeout=0.1, trust_env=False)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
        assert process.returncode == 0


def test_an_address_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            serve(Simulator(), host="127.0.0.1", port=port)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--port", "70000"], "--port"),
        (["--port", "http"], "--port"),
        (["--latency", "-1"], "--latency"),
        (["--latency", "nan"], "--latency"),
        (["--seed", "one"], "--seed"),
        (["--webhook-url", "nonsense"], "webhook_url"),
    ],
    ids=" ".join,
)
def test_the_command_refuses_what_it_cannot_use(tmp_path: Path, arguments: list[str], named: str) -> None:
    ended = ringback("simulator", *arguments, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_the_command_says_that_its_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = ringback("simulator", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "give another --port" in ended.stderr


def test_two_simulators_run_side_by_side() -> None:
    with running(Simulator(seed=1)) as one, running(Simulator(seed=2)) as other:
        assert one != other
        keys = {httpx.get(f"{url}/_simulator/public_key", trust_env=False).text for url in (one, other)}
        assert len(keys) == 2


def test_what_happens_before_the_server_runs_is_told_once_it_does() -> None:
    simulator = Simulator()
    simulator.receive(sender="+13125550002", to="+13125550001", text="Hello")
    with running(simulator) as url:
        listed = httpx.get(f"{url}/v2/webhook_deliveries", headers=_KEY, trust_env=False)
        assert listed.json()["meta"]["total_results"] == 0
    simulator.reset()
    assert len(simulator.account.messages) == 0


@pytest.mark.slow
@pytest.mark.parametrize("package", ["service.testing.simulator", "service.simulator"])
def test_a_suite_asks_for_the_simulator_as_a_fixture(tmp_path: Path, package: str) -> None:
    (tmp_path / "conftest.py").write_text(f'pytest_plugins = ["{package}.fixtures"]\n')
    (tmp_path / "test_suite.py").write_text(_SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(_ROOT)}
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert "2 passed" in run.stdout, run.stdout


@pytest.mark.timeout(30)
def test_a_server_that_cannot_begin_ends_its_block_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise OSError("Too many open files")

    monkeypatch.setattr(uvicorn.Server, "startup", fails)
    with pytest.raises(OSError, match="Too many open files"), running(Simulator()):
        pass
