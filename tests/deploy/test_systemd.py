"""deploy/ringback.service: checked by systemd itself where it exists."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from service.cli.commands import COMMANDS
from service.settings import Settings

UNIT = Path(__file__).parents[2] / "deploy" / "ringback.service"


def service() -> dict[str, str]:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT.read_text())
    return dict(parser["Service"])


def test_it_runs_up_confined_with_a_folder_of_its_own() -> None:
    found = service()
    program, command = found["ExecStart"].split()
    assert program.endswith("/ringback")
    assert command in COMMANDS
    assert (found["DynamicUser"], found["ProtectSystem"], found["StateDirectory"]) == ("yes", "strict", "ringback")
    assert f"RINGBACK_DATA=/var/lib/{found['StateDirectory']}" in found["Environment"]
    assert found["StateDirectoryMode"] == "0700"


def test_a_stop_leaves_time_and_an_invalid_configuration_is_not_retried() -> None:
    found = service()
    assert int(found["TimeoutStopSec"].removesuffix("s")) > Settings.model_fields["grace"].default + 5
    assert (found["RestartPreventExitStatus"], found["KillMode"]) == ("2", "mixed")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not on this machine")
def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    # The program need not be installed on this machine.
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    ran = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
