"""The pytest plugin: `run_handler` and `local_telnyx`, for tests of handlers.

Loaded by pytest wherever Ringback is installed, so that nothing but what a test asks for is imported.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from service.testing.bench import Bench, Result
    from service.testing.simulator import Simulator


@pytest.fixture(scope="session")
def ringback_bench() -> "Iterator[Bench]":
    """A server and a local Telnyx for all tests of this process."""
    from service.testing.bench import open_bench  # noqa: PLC0415 - see above

    with open_bench() as bench:
        yield bench


@pytest.fixture
def fresh_ringback_bench(ringback_bench: "Bench") -> "Bench":
    """The same, with everything forgotten that earlier tests did."""
    ringback_bench.reset()
    return ringback_bench


@pytest.fixture
def run_handler(fresh_ringback_bench: "Bench") -> "Callable[..., Result]":
    """Runs a handler for an event, as a worker would: see `service.testing.bench.Bench.run_handler`."""
    return fresh_ringback_bench.run_handler


@pytest.fixture
def local_telnyx(fresh_ringback_bench: "Bench") -> "Simulator":
    """The Telnyx that handlers talk to in this test: `add_fault`, `requests` and more."""
    return fresh_ringback_bench.telnyx
