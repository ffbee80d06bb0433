"""`ringback dashboard`, and the dashboard of `up` and of the demo."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from service.cli import app
from service.dashboard.server import check_access
from service.dashboard.visitor import read_users
from service.security.dashboard_users import is_password, parse_users
from service.settings import InvalidSettings, load
from tests.waiting import wait_for

RINGBACK = [sys.executable, "-P", "-m", "service.cli"]
ROOT = Path(__file__).parents[2]


def run(*args: str, given: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(args), input=given)
    return result.exit_code, result.output


def test_a_user_line_has_the_hash_of_the_password_and_not_the_password() -> None:
    code, output = run("dashboard", "user", "alice", "--role", "operator+revealer", given="correct horse\n")
    assert code == 0
    assert "correct horse" not in output
    user = parse_users(output)["alice"]
    assert user.roles == {"viewer", "operator", "revealer"}
    assert is_password(user, "correct horse")
    assert not is_password(user, "correct horsf")


@pytest.mark.parametrize(
    ("name", "role", "password"),
    [
        ("alice", "admin", "correct horse"),
        ("al ice", "viewer", "correct horse"),
        ("alice", "viewer", "short"),
        ("*", "viewer", "correct horse"),
    ],
)
def test_a_user_line_that_could_not_be_read_is_refused(name: str, role: str, password: str) -> None:
    assert run("dashboard", "user", name, "--role", role, given=f"{password}\n")[0] == 2


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"RINGBACK_DASHBOARD_HOST": "0.0.0.0"}, "RINGBACK_DASHBOARD_USERS"),
        ({"RINGBACK_DASHBOARD_USERS": "/nowhere/users"}, "RINGBACK_DASHBOARD_USERS"),
        ({"RINGBACK_DASHBOARD_USERS": "alice:operator:a-plain-password"}, "RINGBACK_DASHBOARD_USERS"),
        ({"RINGBACK_DASHBOARD_USERS": "alice:boss:$argon2id$v=19$x"}, "alice"),
        ({"RINGBACK_DASHBOARD_PROXY_HEADER": "X-User"}, "RINGBACK_DASHBOARD_PROXY_PEERS"),
        ({"RINGBACK_DASHBOARD_PROXY_HEADER": "X-User", "RINGBACK_DASHBOARD_PROXY_PEERS": "127.0.0.1"}, "USERS"),
    ],
)
def test_a_dashboard_that_would_be_open_does_not_start(
    variables: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=named) as refused:
        check_access(load())
    assert "a-plain-password" not in str(refused.value)


def test_a_file_of_users_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "users"
    line = run("dashboard", "user", "alice", given="correct horse\n")[1]
    file.write_text(f"# people\n\n{line}")
    file.chmod(0o644)
    with pytest.raises(InvalidSettings, match="chmod 600"):
        read_users(str(file))
    file.chmod(0o600)
    assert set(read_users(str(file))) == {"alice"}


@pytest.mark.slow
def test_the_demo_leaves_the_dashboard_open_until_ctrl_c(tmp_path: Path) -> None:
    command = [*RINGBACK, "demo", "--no-chaos", "--dashboard"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as demo:
        assert demo.stdout is not None
        line = next(line for line in demo.stdout if "dashboard is open" in line)
        found = re.search(r"http://[\d.:]+/", line)
        assert found is not None
        assert "message.finalized" in httpx.get(f"{found[0]}events", trust_env=False).text
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0


@pytest.mark.slow
def test_up_runs_the_dashboard_where_its_port_is_set_and_stops_it_with_an_open_live_page(tmp_path: Path) -> None:
    from nacl.signing import SigningKey

    from service.cli.demo.stack import free_port
    from service.security.telnyx_signature import public_key_text

    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TELNYX_PUBLIC_KEY": public_key_text(SigningKey.generate()),
        "TELNYX_API_KEY": "KEY-for-tests",
        "TELNYX_BASE_URL": "http://127.0.0.1:9/v2",
        "RINGBACK_PORT": str(free_port()),
        "RINGBACK_DASHBOARD_PORT": str(port),
    }
    with subprocess.Popen([*RINGBACK, "up"], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as up:
        try:
            wait_for(lambda: answers(port), seconds=60)
            with httpx.stream(
                "GET", f"http://127.0.0.1:{port}/", headers={"accept": "text/event-stream"}, trust_env=False
            ) as live:
                next(live.iter_lines())
                up.send_signal(signal.SIGTERM)
                assert up.wait(30) == 0
        finally:
            up.kill()


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
