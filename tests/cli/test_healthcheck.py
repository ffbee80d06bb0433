"""`ringback healthcheck`: exit code 0 on 200, else 1 and why, in a line."""

import base64
import importlib
import json
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from service.cli import app
from service.cli.run.healthcheck import address, serves_dashboard
from service.ingress.app import create_app
from tests.cli.deployment import Ran, run_process
from tests.stack import Stack, make_settings


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server on loopback that answers /healthz with a status, and anything else with 418; gives its port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 418)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def checked(**environment: Any) -> Ran:
    result = CliRunner().invoke(app, ["healthcheck"], env={k: str(v) for k, v in environment.items()})
    return Ran(result.exit_code, result.stdout, result.stderr)


def test_a_real_process_asks_a_real_ingress(stack: Stack) -> None:
    ran = run_process("healthcheck", RINGBACK_HOST="0.0.0.0", RINGBACK_PORT=str(stack.http.base_url.port))
    assert (ran.code, ran.stdout, ran.stderr) == (0, "", "")


def test_the_admin_port_is_asked_where_there_is_one() -> None:
    with answering(200) as healthy, answering(503) as ill:
        assert checked(RINGBACK_PORT=ill, RINGBACK_ADMIN_PORT=healthy).code == 0
        assert checked(RINGBACK_PORT=healthy, RINGBACK_ADMIN_PORT=ill).code == 1


@pytest.mark.parametrize("status", [204, 302, 404, 503])
def test_another_answer_than_200_is_told(status: int) -> None:
    with answering(status) as port:
        ran = checked(RINGBACK_PORT=port)
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr == f"/healthz at 127.0.0.1 port {port} answers {status}, not 200\n"


def test_nobody_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ran = run_process("healthcheck", RINGBACK_PORT=str(port))
    assert (ran.code, ran.stdout, len(ran.stderr.splitlines())) == (1, "", 1)
    assert f"no answer from /healthz at 127.0.0.1 port {port} (Connection refused)" in ran.stderr


def test_no_answer_in_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # By name, since the package's attribute of that name is the command.
    healthcheck = importlib.import_module("service.cli.run.healthcheck")
    assert healthcheck.SECONDS == 2.0
    monkeypatch.setattr(healthcheck, "SECONDS", 0.05)
    with silent() as port:
        ran = checked(RINGBACK_PORT=port)
    assert ran.code == 1
    assert "(timed out)" in ran.stderr


@pytest.mark.parametrize(
    ("host", "asked"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("127.0.0.1", "127.0.0.1"), ("10.1.2.3", "10.1.2.3")]
)
def test_where_all_addresses_are_bound_loopback_is_asked(host: str, asked: str) -> None:
    assert address(make_settings(host=host, port=8123)) == (asked, 8123)


def test_settings_that_do_not_fit_are_told_in_a_line() -> None:
    ran = run_process("healthcheck", RINGBACK_PORT="many", RINGBACK_LEASE="soon")
    assert (ran.code, len(ran.stderr.splitlines())) == (1, 1)
    assert "RINGBACK_PORT" in ran.stderr


def test_the_admin_port_is_asked_where_it_listens() -> None:
    settings = make_settings(host="10.1.2.3", port=8123, admin_port=9123)
    assert address(settings) == ("127.0.0.1", 9123)
    assert address(settings.model_copy(update={"admin_host": "::"})) == ("::1", 9123)


@pytest.mark.parametrize(("status", "code"), [(303, 0), (404, 0), (500, 1)])
def test_a_dashboard_answers_with_any_page(status: int, code: int) -> None:
    with answering(status) as port:
        environment = {"RINGBACK_DASHBOARD_PORT": str(port), "RINGBACK_DASHBOARD_HOST": "127.0.0.1"}
        assert CliRunner().invoke(app, ["healthcheck", "--dashboard"], env=environment).exit_code == code


@pytest.mark.parametrize(
    ("command", "serves"),
    [
        ("/opt/ringback/bin/python /opt/ringback/bin/ringback dashboard", True),
        ("/sbin/docker-init -- ringback dashboard", True),
        ("/opt/ringback/bin/python /opt/ringback/bin/ringback worker", False),
        ("/opt/ringback/bin/python /opt/ringback/bin/ringback up --dashboard dashboard", False),
        ("/sbin/init splash", False),
    ],
)
def test_the_role_of_a_container_is_that_of_its_first_process(tmp_path: Path, command: str, *, serves: bool) -> None:
    file = tmp_path / "cmdline"
    file.write_bytes(b"".join(word.encode() + b"\0" for word in command.split()))
    assert serves_dashboard(file) is serves
    assert not serves_dashboard(tmp_path / "missing")


def test_a_container_of_the_dashboard_asks_the_dashboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cmdline"
    file.write_bytes(b"/opt/ringback/bin/ringback\0dashboard\0")
    monkeypatch.setattr(importlib.import_module("service.cli.run.healthcheck"), "FIRST_PROCESS", file)
    with answering(303) as port:
        assert checked(RINGBACK_DASHBOARD_PORT=port, RINGBACK_ADMIN_PORT=1).code == 0


def test_a_probe_is_answered_by_the_ringback_with_its_key(stack: Stack) -> None:
    url = f"{stack.host.url}/webhooks"
    ours, others = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    with stack.host.serving(create_app(stack.settings.model_copy(update={"probe_key": SecretStr(ours)}))):
        assert probed(url, RINGBACK_PROBE_KEY=ours).code == 0
        assert probed(url).code == 0
        refused = probed(url, RINGBACK_PROBE_KEY=others)
    assert (refused.code, "answers 401 to a probe" in refused.stderr) == (1, True)


def test_a_probe_fails_where_no_ringback_answers() -> None:
    with answering(200) as port:
        elsewhere = probed(f"http://127.0.0.1:{port}/webhooks")
    assert (elsewhere.code, "does not ask for Telnyx's signature" in elsewhere.stderr) == (1, True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "does not answer" in probed(f"http://127.0.0.1:{port}/webhooks").stderr


@contextmanager
def proxying(url: str, *, rewrite: bool) -> Iterator[str]:
    """A proxy in front of an ingress, such as a tunnel; gives its address. It may write JSON anew."""

    class Pass(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            passed = json.dumps(json.loads(body)).encode() if rewrite else body
            headers = {name: value for name, value in self.headers.items() if name.lower().startswith("telnyx-")}
            answer = httpx.post(f"{url}{self.path}", content=passed, headers=headers, trust_env=False)
            self.send_response(answer.status_code)
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Pass) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("rewrite", "code"), [(False, 0), (True, 1)])
def test_a_probe_shows_whether_a_tunnel_passes_bodies_byte_for_byte(stack: Stack, *, rewrite: bool, code: int) -> None:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    with (
        stack.host.serving(create_app(stack.settings.model_copy(update={"probe_key": SecretStr(key)}))),
        proxying(stack.host.url, rewrite=rewrite) as tunnel,
    ):
        assert probed(f"{tunnel}/webhooks", RINGBACK_PROBE_KEY=key).code == code


def probed(url: str, **environment: str) -> Ran:
    result = CliRunner().invoke(app, ["healthcheck", "--probe", url], env=environment)
    return Ran(result.exit_code, result.stdout, result.stderr)
