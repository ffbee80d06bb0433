"""The pages that lead to one aim each: their handlers, policies and commands do as they say."""

import re
import shutil
from pathlib import Path

import pytest

from service.cli.demo.stack import free_port
from service.testing.bench import make_event
from tests.cli.test_new import pytest_in
from tests.docs.test_documented_handlers import Run
from tests.documented import DOCS, block_with, blocks, executed
from tests.processes.running import clean_environment, ringback, running
from tests.waiting import wait_for


def test_the_answer_is_that_of_the_page(run_handler: Run) -> None:
    mine = executed(block_with("answer.md", "python", "opening_hours"), "documented")
    [command] = [line for line in block_with("answer.md", "sh", "trigger").splitlines() if "trigger" in line]
    [text] = re.findall(r'data\.payload\.text="(.*?)"', command)
    asked = run_handler(mine.opening_hours, make_event("message.received", text=text))
    other = run_handler(mine.opening_hours, make_event("message.received", text="Hello"))
    assert [each.body["text"] for each in asked.requests] == ["We are open from 9 to 5, Monday to Friday."]
    assert (other.reason, other.requests) == ("no_question", ())


@pytest.mark.slow
def test_the_policy_of_the_page_is_valid_and_waits_for_the_morning(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(block_with("fallback.md", "toml", "quiet_hours"))
    (tmp_path / ".env").write_text(block_with("fallback.md", "ini", "RINGBACK_POLICY"))
    check, explain = block_with("fallback.md", "sh", "policy check").splitlines()
    checked = ringback(*check.split()[1:], cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    explained = ringback(*explain.split()[1:], cwd=tmp_path)
    assert explained.returncode == 0, explained.stderr
    assert "everything else" in explained.stdout
    assert "quiet" in explained.stdout


@pytest.mark.slow
def test_five_minutes_lead_to_an_answer(tmp_path: Path) -> None:
    write, run, trigger = (block_with("start.md", "sh", words) for words in ("new", "--dev", "trigger"))
    assert write.splitlines() == ["ringback new", "pytest"]
    assert ringback("new", cwd=tmp_path).returncode == 0
    assert pytest_in(tmp_path).returncode == 0

    variables = {"RINGBACK_PORT": str(free_port()), "RINGBACK_DASHBOARD_PORT": str(free_port())}
    variables |= {"RINGBACK_ADMIN_PORT": "0", "RINGBACK_GRACE": "5"}
    log = tmp_path / "up.log"
    with running(*run.split()[1:], cwd=tmp_path, log=log, environment=clean_environment(**variables)):
        wait_for(lambda: "listening" in log.read_text() or "Uvicorn" in log.read_text(), seconds=60)
        followed = ringback(*trigger.split()[1:], cwd=tmp_path, **variables)
    assert followed.returncode == 0, followed.stderr + log.read_text()
    [shown] = re.findall(r"last lines say `(.*?)`", (DOCS / "start.md").read_text())
    assert shown in followed.stdout

    # The last step, in the same folder.
    remove, start = block_with("start.md", "sh", "rm -r").splitlines()
    variables["TELNYX_BASE_URL"] = "http://127.0.0.1:9/v2"  # nobody answers there
    settings = block_with("start.md", "ini", "TELNYX_PUBLIC_KEY")
    (tmp_path / ".env").write_text(settings)
    assert "holds events of the simulator" in ringback(*start.split()[1:], cwd=tmp_path, **variables).stderr
    shutil.rmtree(tmp_path / remove.split()[-1])
    with running(*start.split()[1:], cwd=tmp_path, log=log, environment=clean_environment(**variables)):
        wait_for(lambda: "listening" in log.read_text() or "Uvicorn" in log.read_text(), seconds=60)


def test_every_step_of_an_incident_is_a_command() -> None:
    steps = [line for block in blocks("incident.md", "sh") for line in block.splitlines()]
    assert steps[0] == "ringback doctor"
    assert steps[-1] == "ringback audit"
    assert all(each.startswith("ringback ") for each in steps)
