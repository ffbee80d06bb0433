"""The simulator as a pytest fixture.

A test suite loads it with `pytest_plugins = ["service.testing.simulator.fixtures"]` in its conftest.py. A test then
asks for `telnyx_simulator`, points its SDK at `telnyx_simulator.base_url` and scripts `telnyx_simulator.simulator`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from service.testing.simulator.app import PREFIX
from service.testing.simulator.server import running
from service.testing.simulator.simulator import Simulator


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A simulator that listens. `url` is its address, `base_url` what the SDK and `TELNYX_BASE_URL` take."""

    simulator: Simulator
    url: str

    @property
    def base_url(self) -> str:
        """The address of the API."""
        return self.url + PREFIX


@pytest.fixture(scope="session")
def _served_simulator() -> Iterator[RunningSimulator]:
    simulator = Simulator()
    with running(simulator) as url:
        yield RunningSimulator(simulator, url)


@pytest.fixture
def telnyx_simulator(_served_simulator: RunningSimulator) -> Iterator[RunningSimulator]:
    """A local Telnyx on a free port of loopback, in which nothing has happened yet, whatever the last test set."""
    simulator = _served_simulator.simulator
    simulator.reset()
    yield _served_simulator
    simulator.latency, simulator.webhook_url, simulator.api_key = 0.0, None, None
    simulator.reset()
