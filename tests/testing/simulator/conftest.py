"""A simulator on loopback, a receiver of its webhooks, and the official SDK in both forms, which checks each answer."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import telnyx

from service.testing.simulator import Simulator, running
from service.testing.simulator.webhooks.courier import DEADLINE
from tests.testing.simulator.asking import Client
from tests.testing.simulator.openapi_document import DOCUMENT
from tests.testing.simulator.receiver import Receiver, receiving

API_KEY = "KEY0123"


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[Simulator, str, Receiver]]:
    """One simulator and one receiver for all tests of a process; each test begins with an empty one."""
    with receiving() as receiver:
        simulator = Simulator(seed=7)
        with running(simulator) as url:
            yield simulator, url, receiver


@pytest.fixture
def simulator(served: tuple[Simulator, str, Receiver]) -> Iterator[Simulator]:
    simulator, _, receiver = served
    receiver.reset()
    simulator.webhook_url = receiver.url
    simulator.reset()
    yield simulator
    simulator.reset()
    simulator.latency = 0.0
    simulator.api_key = None
    simulator.poster.deadline = DEADLINE


@pytest.fixture
def url(served: tuple[Simulator, str, Receiver], simulator: Simulator) -> str:
    """The address of the simulator."""
    return served[1]


@pytest.fixture
def receiver(served: tuple[Simulator, str, Receiver], simulator: Simulator) -> Receiver:
    """Where the simulator's webhooks go."""
    return served[2]


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    """A plain client, for the controls and for what the SDK would not send."""
    with httpx.Client(
        base_url=url, trust_env=False, verify=False, headers={"authorization": f"Bearer {API_KEY}"}
    ) as http:
        yield http


@pytest.fixture
def sync_client(url: str) -> Iterator[telnyx.Telnyx]:
    with httpx.Client(trust_env=False, verify=False, event_hooks={"response": [_check]}) as http:
        yield telnyx.Telnyx(
            api_key=API_KEY,
            base_url=f"{url}/v2",
            max_retries=0,
            http_client=http,
            _strict_response_validation=True,
        )


@pytest.fixture
async def async_client(url: str, anyio_backend: str) -> AsyncIterator[telnyx.AsyncTelnyx]:
    async with httpx.AsyncClient(trust_env=False, verify=False, event_hooks={"response": [_check_async]}) as http:
        yield telnyx.AsyncTelnyx(
            api_key=API_KEY,
            base_url=f"{url}/v2",
            max_retries=0,
            http_client=http,
            _strict_response_validation=True,
        )


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, sync_client: telnyx.Telnyx, async_client: telnyx.AsyncTelnyx) -> Client:
    """The SDK in one form and the other."""
    return sync_client if request.param == "sync" else async_client


def _check(response: httpx.Response) -> None:
    response.read()
    _check_against_document(response)


async def _check_async(response: httpx.Response) -> None:
    await response.aread()
    _check_against_document(response)


def _check_against_document(response: httpx.Response) -> None:
    """Hold every response that a test gets against the OpenAPI document, where there is one."""
    path = response.request.url.path.removeprefix("/v2")
    if DOCUMENT is not None and response.content and response.text[-1] in "}]":
        findings = DOCUMENT.findings(response.request.method, path, response.status_code, response.json())
        assert findings == [], f"{response.request.method} {path} {response.status_code}: {findings}"
