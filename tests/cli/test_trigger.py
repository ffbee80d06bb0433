"""`ringback up --dev` and `ringback trigger`: events without an account, on this machine only."""

import stat
from pathlib import Path

import httpx
import pytest

from service.cli.demo.stack import free_port
from service.testing.simulator import Simulator
from service.testing.simulator import running as simulating
from tests.processes.running import clean_environment, ringback, running
from tests.waiting import wait_for


@pytest.mark.slow
def test_a_triggered_failure_becomes_an_sms(tmp_path: Path) -> None:
    simulator, port = Simulator(), free_port()
    with simulating(simulator) as telnyx:
        variables = {
            "TELNYX_API_KEY": "KEY",
            "TELNYX_BASE_URL": f"{telnyx}/v2",
            "RINGBACK_PORT": str(port),
            "RINGBACK_SMS_FROM": "+13125550199",
        }
        log = tmp_path / "up.log"
        environment = clean_environment(**variables)
        with running("up", "--dev", cwd=tmp_path, log=log, environment=environment):
            wait_for(lambda: _ready(port))
            ended = ringback("trigger", "rcs-failed", cwd=tmp_path, **variables)
            assert (ended.returncode, ended.stdout) == (0, '200 {"status":"accepted"}\n'), ended.stderr
            wait_for(lambda: simulator.account.messages)
            unknown = ringback("trigger", "no-such-sample", cwd=tmp_path, **variables)
            assert unknown.returncode == 2
            assert "rcs-failed" in unknown.stderr
        assert "a development key is in force" in log.read_text()
        key = tmp_path / "data" / "development.key"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert key.read_text() not in log.read_text()

        nobody = ringback("trigger", "rcs-failed", cwd=tmp_path, **variables)
        assert (nobody.returncode, "ringback up --dev" in nobody.stderr) == (1, True)


@pytest.mark.slow
@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_a_development_key_is_refused_beyond_loopback(tmp_path: Path, host: str) -> None:
    ended = ringback("up", "--dev", cwd=tmp_path, RINGBACK_HOST=host)

    assert ended.returncode == 2
    assert "loopback" in ended.stderr


def test_without_a_development_key_nothing_can_be_triggered(tmp_path: Path) -> None:
    ended = ringback("trigger", "rcs-failed", cwd=tmp_path)

    assert ended.returncode == 2
    assert "ringback up --dev" in ended.stderr


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
