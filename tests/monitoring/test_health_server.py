"""Where readiness and metrics are served: beyond loopback on the admin port only, which listens where it is told to."""

from collections.abc import Iterator

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from service.cli.demo.stack import free_port
from service.ingress.app import create_app
from tests.processes.fleet import Fleet, open_fleet
from tests.stack import Stack
from tests.waiting import wait_for

EMPTY = "from service import Router\nrouter = Router()\n"
PATHS = ("/healthz", "/readyz", "/metrics")


def statuses(host: str, port: int) -> list[int]:
    return [httpx.get(f"http://{host}:{port}{path}", trust_env=False, timeout=5).status_code for path in PATHS]


def turns(host: str, port: int) -> bool:
    try:
        return statuses(host, port)[0] == 200
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("bound", ["127.0.0.1", "localhost", "::1"])
def test_bound_to_loopback_the_public_port_serves_all(stack: Stack, bound: str) -> None:
    with stack.host.serving(create_app(stack.settings.model_copy(update={"host": bound}))):
        assert [stack.http.get(path).status_code for path in PATHS] == [200, 200, 200]


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", "192.0.2.1", "hooks.example"])
@pytest.mark.parametrize("admin_port", [None, 9090])
def test_bound_to_more_it_serves_no_readiness_and_no_metrics(stack: Stack, bound: str, admin_port: int | None) -> None:
    settings = stack.settings.model_copy(update={"host": bound, "admin_port": admin_port})
    with stack.host.serving(create_app(settings)):
        answers = [stack.http.get(path) for path in PATHS]
    assert [each.status_code for each in answers] == [200, 404, 404]
    assert answers[1].json() == {"error": "no such path"}


@pytest.mark.parametrize(("address", "status"), [("192.0.2.1", 404), ("127.0.0.1", 200)])
def test_mounted_in_another_server_they_are_served_on_loopback_only(stack: Stack, address: str, status: int) -> None:
    app = create_app(stack.settings)

    async def elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "server": (address, 80)}, receive, send)

    with stack.host.serving(app):
        stack.host.app = elsewhere
        assert [stack.http.get(path).status_code for path in PATHS] == [200, status, status]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with open_fleet(tmp_path_factory.mktemp("admin"), EMPTY) as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_admin_port_listens_where_it_is_told_to_and_the_public_one_elsewhere(fleet: Fleet, processes: str) -> None:
    public, admin = free_port(), free_port()
    variables = {
        "RINGBACK_HOST": "127.0.0.2",
        "RINGBACK_PORT": str(public),
        "RINGBACK_ADMIN_HOST": "127.0.0.3",
        "RINGBACK_ADMIN_PORT": str(admin),
    }
    fleet.start("ingress", RINGBACK_INGRESS_PROCESSES=processes, **variables)
    wait_for(lambda: turns("127.0.0.3", admin))
    assert statuses("127.0.0.2", public) == [200, 404, 404]
    assert statuses("127.0.0.3", admin) == [200, 200, 200]
    assert not turns("127.0.0.1", admin)
    assert not turns("127.0.0.2", admin)


@pytest.mark.slow
def test_a_workers_admin_port_listens_where_it_is_told_to(fleet: Fleet) -> None:
    admin = free_port()
    fleet.start_worker(RINGBACK_HOST="0.0.0.0", RINGBACK_ADMIN_HOST="127.0.0.3", RINGBACK_ADMIN_PORT=str(admin))
    wait_for(lambda: turns("127.0.0.3", admin))
    assert not turns("127.0.0.1", admin)


@pytest.mark.slow
def test_one_port_for_two_purposes_is_refused(fleet: Fleet) -> None:
    port = str(free_port())
    ended = fleet.start("ingress", RINGBACK_PORT=port, RINGBACK_ADMIN_PORT=port, RINGBACK_ADMIN_HOST="127.0.0.2")
    assert ended.wait(30) == 2
