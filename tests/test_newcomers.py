"""Mistakes that newcomers make: each is told, with what to do."""

import os
import tomllib
from pathlib import Path

import pytest

from handlers import router as built_in
from service import Context, Event, Router
from service.processes.embedded_server import start
from service.settings import InvalidSettings, load
from service.settings.variables import export_env_file
from service.store.connection import connect
from service.store.server_checks import check_server
from service.worker.startup_warnings import warnings_for
from tests.processes.fleet import open_fleet
from tests.processes.running import ringback
from tests.stack import make_settings
from tests.waiting import wait_for


def test_an_empty_variable_unsets_what_the_file_says(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("RINGBACK_SMS_FROM=+13125550199\nRINGBACK_PORT=1234\n")
    monkeypatch.setenv("RINGBACK_SMS_FROM", "")
    monkeypatch.setenv("RINGBACK_PORT", "")
    assert (load().sms_from, load().port) == (None, 8080)


def test_a_router_without_parentheses_is_refused() -> None:
    router = Router()
    with pytest.raises(TypeError, match="parentheses"):

        @router.on  # type: ignore[arg-type]
        async def handler(event: Event, ctx: Context) -> None: ...


def test_what_will_not_happen_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    armed, unarmed = make_settings(sms_from="+13125550199", public_url="https://hooks.example.com"), make_settings()
    assert warnings_for(built_in, armed) == []
    assert "not armed" in warnings_for(built_in, unarmed)[0]
    assert "healing is off" in warnings_for(built_in, unarmed)[1]
    assert "no handlers" in warnings_for(Router(), unarmed)[0]
    repairing = make_settings(sms_from="+13125550199", repair_webhooks=True)
    assert "RINGBACK_PUBLIC_URL is unset" in warnings_for(built_in, repairing)[0]
    router = Router()

    @router.on("message.received")
    async def alone(event: Event, ctx: Context) -> None: ...

    told = warnings_for(router, armed)
    assert "no sms_fallback" in told[0]
    assert "STOP" in told[1]
    monkeypatch.setenv("RINGBACK_SMS_FORM", "+13125550199")
    assert "RINGBACK_SMS_FORM" in warnings_for(built_in, armed)[0]


@pytest.mark.anyio
async def test_a_server_that_may_lose_events_is_told_of(redis_url: str, tmp_path: Path) -> None:
    async with connect(redis_url, timeout=5, connections=2) as redis:
        assert (await check_server(redis)).risks == []
    with start(tmp_path / "data") as server:
        async with connect(server.url, timeout=5, connections=2) as redis:
            await redis.config_set("appendonly", "no")
            await redis.config_set("maxmemory-policy", "allkeys-lru")
            told = (await check_server(redis)).risks
    assert "append-only" in told[0]
    assert "noeviction" in told[1]


LIFESPAN = """
from contextlib import asynccontextmanager
from service import Router

@asynccontextmanager
async def crm():
    raise ConnectionError("no crm at secret-host")
    yield

router = Router(lifespan=crm)

@router.on("test.x")
async def x(event, ctx): ...
"""


@pytest.mark.slow
def test_a_lifespan_that_fails_is_told_in_a_line(tmp_path: Path) -> None:
    with open_fleet(tmp_path, LIFESPAN) as fleet:
        worker = fleet.start("worker")
        assert worker.wait(60) == 2
        told = (tmp_path / "worker-0.log").read_text()
    assert "the lifespan of a router failed: ConnectionError at my_handlers.py:7 in crm" in told
    assert "secret-host" not in told
    assert "Traceback" not in told


@pytest.mark.slow
def test_a_port_that_is_taken_is_named_with_its_variable(tmp_path: Path) -> None:
    with open_fleet(tmp_path, "from service import Router\nrouter = Router()\n") as fleet:
        fleet.start_ingress()
        second = fleet.start("ingress")
        assert second.wait(60) == 1
        log = tmp_path / "ingress-1.log"
        wait_for(lambda: "set RINGBACK_PORT to another" in log.read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"TELNYX_BASE_URL": "127.0.0.1:12111"}, "TELNYX_BASE_URL: must begin with https://"),
        ({"RINGBACK_MAX_BODY": "65MiB"}, "RINGBACK_MAX_BODY"),
    ],
)
def test_a_value_that_cannot_work_is_refused(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    ended = ringback("config", cwd=tmp_path, **variables)
    assert (ended.returncode, said in ended.stderr) == (2, True)


@pytest.mark.slow
def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"RINGBACK_SMS_FROM=\xff\n")
    ended = ringback("config", cwd=tmp_path)
    assert (ended.returncode, "UTF-8" in ended.stderr) == (2, True)


def test_a_file_that_is_not_this_users_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("RINGBACK_SMS_FROM=+13125550199\n")
    (tmp_path / ".env").chmod(0)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    user = os.geteuid()
    os.seteuid(10001 if user == 0 else user)
    try:
        with pytest.raises(InvalidSettings, match=r"\.env cannot be read by user"):
            load()
        with pytest.raises(InvalidSettings, match=r"\.env cannot be read by user"):
            export_env_file()
    finally:
        os.seteuid(user)


def test_the_version_is_told(tmp_path: Path) -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert ringback("--version", cwd=tmp_path).stdout.strip() == project["version"]
