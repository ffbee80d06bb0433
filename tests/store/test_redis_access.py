"""A Redis as it is found: users with few rights, no INFO, cluster mode, and each failure told as what it is."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from redis import Redis
from typer.testing import CliRunner

from service.cli import app
from service.cli.demo.stack import free_port
from service.processes import embedded_server
from service.security.encryption import PLAIN
from service.store.connection import connect
from service.store.permissions import CONNECTION_COMMANDS, Needs, ingress_needs, refusals, worker_needs
from service.store.redis_errors import describe_redis_error
from service.store.scripts import script
from service.store.server_checks import check_server, trouble_working
from service.store.store import Store
from tests.processes.fleet import NAMESPACE, Fleet, open_fleet
from tests.processes.running import ringback
from tests.store.minimal_rights import PASSWORD, documented_rules, make_user
from tests.telnyx_events import envelope
from tests.waiting import wait_for

HANDLERS = """
from service import Context, Event, Router

router = Router()

@router.on("test.*")
async def works(event: Event, ctx: Context) -> None:
    await ctx.redis.incr("fleet:user:runs")
    if event.payload.get("derive"):
        await ctx.emit("test.derived", {}, key="derived")

@router.on("bad.*", max_attempts=1)
async def breaks(event: Event, ctx: Context) -> None:
    raise ValueError

@router.cron(minute=None, second=None)
async def ticks(event: Event, ctx: Context) -> None:
    await ctx.redis.incr("fleet:user:ticks")
"""


@contextmanager
def fleet_as(tmp_path: Path, *rules: str) -> Iterator[Fleet]:
    with open_fleet(tmp_path, HANDLERS) as fleet:
        fleet.environment["REDIS_URL"] = make_user(fleet.server, *rules)
        yield fleet


def log_of(fleet: Fleet, name: str) -> str:
    return (fleet.folder / name).read_text()


@pytest.mark.slow  # real processes
def test_the_documented_rights_are_enough_for_the_whole_life_of_an_event(tmp_path: Path) -> None:
    with fleet_as(tmp_path, *documented_rules(NAMESPACE)) as fleet:
        rights = documented_rules(NAMESPACE, user="ringback-ingress")
        worker_url, ingress_url = fleet.environment["REDIS_URL"], make_user(fleet.server, *rights, name="ingress")
        fleet.environment["REDIS_URL"] = ingress_url
        fleet.start_ingress()
        fleet.environment["REDIS_URL"] = worker_url
        fleet.start_worker()
        for path in ("metrics", "readyz"):
            assert (answer := _get(f"http://127.0.0.1:{fleet.port}/{path}")) is not None
            assert answer.status_code == 200
        fleet.accepted(done := envelope("test.one", {"derive": True}), dead := envelope("bad.one", {}))
        assert (fleet.ended(done).state, fleet.ended(dead).state) == ("done", "dead")
        with Redis.from_url(fleet.server.url) as redis:
            wait_for(lambda: int(redis.get("fleet:user:runs") or 0) == 2)
            wait_for(lambda: int(redis.get("fleet:user:ticks") or 0) >= 2)
            for command in (
                ["audit"],
                ["events", "list"],
                ["events", "show", done["data"]["id"]],
                ["dead", "list"],
                ["dead", "retry", dead["data"]["id"], "--yes"],
                ["optouts", "add", "+13125550001", "--yes"],
                ["optouts", "list"],
                ["erase", "+13125550001", "--yes"],
                ["pause", "works"],
                ["resume", "works"],
            ):
                ended = ringback(*command, cwd=fleet.folder, **fleet.environment)
                assert "NOPERM" not in ended.stdout + ended.stderr, command
            denied = redis.execute_command("ACL", "LOG")
        commands = {entry[entry.index(b"object") + 1].decode() for entry in denied}
        assert commands <= {"info", "config|get", "bgrewriteaof"}, commands
        told = log_of(fleet, "worker-1.log")
        assert told.count("may not run INFO and CONFIG GET") == 1
        assert "NOPERM" not in told
        assert fleet.audit_is_clean()


@pytest.mark.slow  # real processes
@pytest.mark.parametrize(
    ("rules", "named"),
    [
        (("~*", "&*", "+@all", "-zadd"), "the command ZADD"),
        (("~*", "&*", "+@all", "-evalsha"), "may not run EVALSHA"),
        (("~fleet:[a-p]*", "~arq:*", "+@all"), "the key fleet:queue"),
    ],
)
def test_a_right_that_is_missing_is_named_at_the_start_by_readyz_and_by_doctor(
    tmp_path: Path, rules: tuple[str, ...], named: str
) -> None:
    with fleet_as(tmp_path, *rules) as fleet:
        fleet.start("ingress")
        url = f"http://127.0.0.1:{fleet.port}/readyz"
        answer = wait_for(lambda: _get(url))
        assert (answer.status_code, named in answer.json()["error"]) == (503, True), answer.text
        assert "NOPERM" in answer.json()["error"]
        wait_for(lambda: named in log_of(fleet, "ingress-0.log"))
        refused = envelope("test.one", {})
        assert fleet.deliver(refused).status_code == 503
        fleet.start("worker")
        wait_for(lambda: named in log_of(fleet, "worker-1.log"))
        doctor = ringback("doctor", cwd=fleet.folder, **fleet.environment)
        assert (doctor.returncode, named in doctor.stdout) == (1, True), doctor.stdout
        make_user(fleet.server, "~*", "&*", "+@all")
        wait_for(lambda: fleet.deliver(refused).json() == {"status": "accepted"})
        assert fleet.ended(refused).state == "done"
        for name in ("ingress-0.log", "worker-1.log"):
            assert PASSWORD not in log_of(fleet, name)


def _get(url: str) -> httpx.Response | None:
    try:
        return httpx.get(url, trust_env=False, timeout=5)
    except httpx.HTTPError:
        return None


@pytest.mark.anyio
async def test_a_server_without_info_and_config_is_one_warning(own_server: embedded_server.EmbeddedServer) -> None:
    url = make_user(own_server, "~*", "&*", "+@all", "-@dangerous", "-@admin")
    async with connect(url, timeout=5, connections=2) as redis:
        found = await check_server(redis)
        assert (found.risks, len(found.warnings)) == ([], 1)
        assert "INFO" in found.warnings[0]
        assert await trouble_working(Store(redis, "x", PLAIN), worker_needs()) is None


@pytest.mark.anyio
async def test_each_command_that_a_user_may_not_run_is_named(own_server: embedded_server.EmbeddedServer) -> None:
    url = make_user(own_server, "~*", "&*", "+@all", "-zadd", "-hset", "-pexpire")
    async with connect(url, timeout=5, connections=2) as redis:
        found = await refusals(Store(redis, "x", PLAIN), worker_needs())
    assert sorted(found) == ["the command HSET", "the command PEXPIRE", "the command ZADD"]


@pytest.mark.anyio
async def test_a_worker_needs_the_keys_of_arq_and_the_ingress_does_not(
    own_server: embedded_server.EmbeddedServer,
) -> None:
    async with connect(make_user(own_server, "~fleet:*", "&*", "+@all"), timeout=5, connections=2) as redis:
        store = Store(redis, "fleet", PLAIN)
        assert await trouble_working(store, ingress_needs()) is None
        assert "the key arq:job:fleet:*" in (await trouble_working(store, worker_needs()) or "")


@pytest.mark.anyio
@pytest.mark.parametrize(("user", "needs"), [("ringback", worker_needs()), ("ringback-ingress", ingress_needs())])
async def test_a_user_with_the_documented_rights_is_refused_nothing(
    own_server: embedded_server.EmbeddedServer, user: str, needs: Needs
) -> None:
    async with connect(
        make_user(own_server, *documented_rules(NAMESPACE, user=user)), timeout=5, connections=2
    ) as redis:
        assert await trouble_working(Store(redis, NAMESPACE, PLAIN), needs) is None


@pytest.mark.anyio
async def test_everysec_is_a_warning_that_names_what_a_power_loss_costs(
    own_server: embedded_server.EmbeddedServer,
) -> None:
    async with connect(own_server.url, timeout=5, connections=2) as redis:
        assert (await check_server(redis)).warnings == []
        await redis.config_set("appendfsync", "everysec")
        [warning] = (await check_server(redis)).warnings
        assert "power loss" in warning
        assert "everysec" in warning


@pytest.mark.anyio
async def test_every_command_that_is_asked_about_is_whole(own_server: embedded_server.EmbeddedServer) -> None:
    """The server crashes where a script asks about a command without its key."""
    from service.store.permissions import _KEYLESS, _VARIADIC, _arguments

    async with connect(own_server.url, timeout=5, connections=2) as redis:
        commands = worker_needs().all_commands()
        assert "APPEND" in commands
        for command in commands:
            [told] = (await redis.execute_command("COMMAND", "INFO", command),)  # type: ignore[no-untyped-call]
            info = next(iter(told.values())) if isinstance(told, dict) else told[0]
            first, last = (info["first_key_pos"], info["last_key_pos"]) if isinstance(info, dict) else info[3:5]
            assert (first == 0) == (command in _KEYLESS | {"SCAN"}), command
            assert (last == -1) == (command in _VARIADIC), command
            assert last in (-1, 0, -2, 1) or command == "RENAME", command
            assert len([command, *_arguments(command, "k")]) > first


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    (tmp_path / "cluster").mkdir()
    server = subprocess.Popen(
        [str(embedded_server.find_server()), *f"--port {port} --cluster-enabled yes --dir {tmp_path}/cluster".split()],
        stdout=subprocess.DEVNULL,
    )
    with Redis(port=port) as redis:
        wait_for(lambda: _answers(redis))
        redis.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    yield f"redis://127.0.0.1:{port}/0"
    server.kill()
    server.wait()


def _answers(redis: "Redis") -> bool:
    try:
        return bool(redis.ping())
    except OSError:
        return False
    except Exception:  # noqa: BLE001 - not up yet
        return False


@pytest.mark.slow  # real processes
def test_cluster_mode_ends_the_start_and_is_told_with_what_to_write(cluster: str, tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS, REDIS_URL=cluster) as fleet:
        for role in ("ingress", "worker", "up"):
            ended = ringback(role, cwd=fleet.folder, **fleet.environment)
            assert ended.returncode == 2, ended.stderr
            assert "REDIS_URL" in ended.stderr
            assert "cluster mode" in ended.stderr
            assert "redis+cluster://host1,host2" in ended.stderr
        doctor = ringback("doctor", cwd=fleet.folder, **fleet.environment)
        assert (doctor.returncode, "cluster mode" in doctor.stdout) == (1, True)


@pytest.mark.anyio
async def test_cluster_mode_is_told_by_readiness(cluster: str) -> None:
    async with connect(cluster, timeout=5, connections=2) as redis:
        trouble = await trouble_working(Store(redis, "x", PLAIN), worker_needs())
        assert trouble is not None
        assert "cluster mode" in trouble


@contextmanager
def answering(answer: bytes, *, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that says this to each command, or closes the connection where it is empty; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                try:
                    with ExitStack() as stack:
                        speaking = (
                            stack.enter_context(context.wrap_socket(client, server_side=True)) if context else client
                        )
                        while answer and speaking.recv(4096):
                            speaking.sendall(answer)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    listener.close()


def told(monkeypatch: pytest.MonkeyPatch, url: str) -> str:
    monkeypatch.setenv("REDIS_URL", url)
    ended = CliRunner().invoke(app, ["doctor", "--json"])
    import json

    [finding] = [each for each in json.loads(ended.stdout) if each["check"] == "redis"]
    assert finding["status"] == "failed"
    assert PASSWORD not in ended.output
    return str(finding["told"])


def test_each_answer_of_a_server_is_told_with_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer, cause in {
        "LOADING Redis is loading the dataset in memory": "loading",
        "OOM command not allowed when used memory > 'maxmemory'.": "memory is full",
        "MISCONF Errors writing to the AOF file: No space left on device": "disk",
        "WRONGPASS invalid username-password pair or user is disabled.": "password is wrong",
        "NOAUTH Authentication required.": "password",
        "MASTERDOWN Link with MASTER is down": "lost its primary",
        "NOPERM User app has no permissions to run the 'hello' command": "may not run HELLO",
        "ERR max number of clients reached": "maxclients",
    }.items():
        with answering(f"-{answer}\r\n".encode()) as port:
            line = told(
                monkeypatch,
                f"redis://app:{PASSWORD}@127.0.0.1:{port}/0" if "WRONG" in answer else f"redis://127.0.0.1:{port}",
            )
        assert f"127.0.0.1:{port}" in line, line
        assert cause in line, line
        assert "ConnectionError" not in line


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    folder = tmp_path_factory.mktemp("tls")
    key, chain = folder / "key.pem", folder / "cert.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run([*make.split(), "-keyout", key, "-out", chain], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return chain, context


def test_failures_of_the_connection_are_told_with_their_cause(
    monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, ssl.SSLContext], tmp_path: Path
) -> None:
    chain, context = certificate
    assert "127.0.0.1:1: connection refused" in told(monkeypatch, f"redis://a:{PASSWORD}@127.0.0.1:1")
    assert "no.such.host.invalid:6379: no such host" in told(monkeypatch, "redis://no.such.host.invalid")
    assert "no socket" in told(monkeypatch, f"unix://{tmp_path}/absent.sock")
    with answering(b"-ERR not now\r\n", context=context) as port:
        assert "certificate is not trusted" in told(monkeypatch, f"rediss://:{PASSWORD}@127.0.0.1:{port}")
        plain = told(monkeypatch, f"redis://127.0.0.1:{port}")
        assert "rediss://" in plain, plain
        named = told(monkeypatch, f"rediss://127.0.0.1:{port}?ssl_ca_certs={chain}")
        assert "its certificate names another host" in named
        trusted = told(monkeypatch, f"rediss://127.0.0.1:{port}?ssl_ca_certs={chain}&ssl_check_hostname=false")
        assert "certificate" not in trusted
    with answering(b"-ERR unknown command\r\n") as port:
        assert "does not speak TLS" in told(monkeypatch, f"rediss://127.0.0.1:{port}")
    with answering(b"") as port:
        assert "closed the connection" in told(monkeypatch, f"redis://127.0.0.1:{port}")
        sentinels = told(
            monkeypatch, f"redis+sentinel://u:{PASSWORD}@127.0.0.1:{port}/main/0?sentinel_password={PASSWORD}"
        )
        assert "sentinel" in sentinels
        assert "main" in sentinels


def test_no_answer_in_time_is_told() -> None:
    assert "h:1: no answer in time" in describe_redis_error(TimeoutError(), "h:1")


@pytest.mark.anyio
async def test_a_server_that_hangs_is_told_in_time(own_server: embedded_server.EmbeddedServer) -> None:
    import os
    import signal

    async with connect(own_server.url, timeout=0.3, connections=2) as redis:
        os.kill(own_server.process.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            trouble = await trouble_working(Store(redis, "x", PLAIN), worker_needs())
            assert time.monotonic() - began < 2
        finally:
            os.kill(own_server.process.pid, signal.SIGCONT)
        assert trouble is not None
        assert "no answer in time" in trouble


@pytest.mark.parametrize(
    ("user", "needs"),
    [
        ("ringback", worker_needs()),
        # The state of the queue is in /readyz and in the metrics.
        ("ringback-ingress", Needs((*ingress_needs().texts, script("queue").text))),
    ],
)
def test_the_documented_rights_are_those_that_are_needed(user: str, needs: Needs) -> None:
    needed = {*needs.all_commands(), *CONNECTION_COMMANDS}
    commands = (rule[1:] for rule in documented_rules(NAMESPACE, user=user) if rule.startswith("+"))
    granted = {each.upper().replace("|", " ") for each in commands}
    assert granted == needed
