"""`ringback healthcheck`: exit code 0 on 200, else 1 and why, in a line."""

import importlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.cli.run.healthcheck import address
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
