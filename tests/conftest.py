"""What all tests share: a clean environment, a real embedded server, and a stack that runs on it."""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from service.processes import embedded_server
from service.worker import outcomes  # the first that imports the SDK: the worker loads it on demand
from tests.stack import Host, Stack, open_host, open_stack
from tests.store.cluster import open_cluster
from tests.store.minimal_rights import minimal_server

hypothesis.settings.register_profile("busy", deadline=None)  # a busy machine stops any example for 200 ms
hypothesis.settings.load_profile("busy")


# Tests start hundreds of processes. Without bytecode each would compile the package, and each run all tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# All that is made until the tests are known lives as long as the run: no collection needs to look at it.
gc.disable()


def pytest_collection_finish() -> None:
    """Leave what is there by now out of all garbage collections: that saves a tenth of the run's CPU."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_configure() -> None:
    """Let processes that tests start end at Ctrl-C and at a hang-up; those of a run in the background ignore both."""
    for number, action in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, action)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the machine's, and no `.env`, decides what a test sees."""
    for name in os.environ:
        if name.startswith(("RINGBACK_", "TELNYX_", "OTEL_")) or name in {"REDIS_URL", "HANDLERS", "PYTEST_ADDOPTS"}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """No test waits in real time for a retry or for the next page, unless it asks for `real_pauses`."""
    if "real_pauses" not in request.fixturenames:
        monkeypatch.setattr(outcomes, "FIRST_BACKOFF", 0.05)
        monkeypatch.setattr(outcomes, "FIRST_PAUSE", 0.05)
        monkeypatch.setattr("service.outbound.list_pages.PAUSE", 0.01)


@pytest.fixture
def real_pauses() -> None:
    """For a test that measures the pauses themselves."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run choose what the stacks and commands of its tests use as Redis."""
    parser.addoption(
        "--redis",
        choices=("one", "cluster", "minimal"),
        default="one",
        help="one server, a cluster of three primaries and replicas, or a user with the rights of docs/redis.md alone",
    )


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of asynchronous tests."""
    return "asyncio"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real server with every write on disk; tests share it, each in a namespace of its own."""
    with embedded_server.start(tmp_path_factory.mktemp("server")) as server:
        yield server.url


@pytest.fixture(scope="session")
def shared_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The `REDIS_URL` of stacks and commands, as the run chose it."""
    kind = request.config.getoption("--redis")
    if kind == "cluster":
        with open_cluster(tmp_path_factory.mktemp("cluster"), node_timeout=60_000) as cluster:
            yield cluster.url
    elif kind == "minimal":
        with minimal_server(tmp_path_factory.mktemp("server"), "t*", "cli-*") as url:
            yield url
    else:
        yield request.getfixturevalue("redis_url")


@pytest.fixture(autouse=True)
def _skip_what_only_one_server_can_do(request: pytest.FixtureRequest) -> None:
    kind = request.config.getoption("--redis")
    for name, kinds in (("one_server", ("cluster", "minimal")), ("more_rights", ("minimal",))):
        marker = request.node.get_closest_marker(name)
        if marker is not None and kind in kinds:
            pytest.skip(marker.args[0])


@pytest.fixture(scope="session")
def host(shared_url: str) -> Iterator[Host]:
    """A web server and a local Telnyx for all tests of this process."""
    with open_host(shared_url) as opened:
        yield opened


@pytest.fixture
def stack(host: Host) -> Iterator[Stack]:
    """An ingress and a local Telnyx, on HTTP; workers are started by the test."""
    with open_stack(host) as opened:
        yield opened


@pytest.fixture
def calling_stack(host: Host) -> Iterator[Stack]:
    """A stack whose local Telnyx sends webhooks of what happens there."""
    with open_stack(host, webhooks=True) as opened:
        yield opened


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[embedded_server.EmbeddedServer]:
    """A server that only this test uses, and may stop."""
    with embedded_server.start(tmp_path / "data") as started:
        yield started


@pytest.fixture
def own_stack(own_server: embedded_server.EmbeddedServer) -> Iterator[Stack]:
    """A stack on a server of its own."""
    with open_host(own_server.url) as host, open_stack(host) as opened:
        yield opened
