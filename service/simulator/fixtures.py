"""Another name of `service.testing.simulator.fixtures`, for test suites that load it by this one. 0.1 alone has it."""

from service.testing.simulator.fixtures import RunningSimulator, _served_simulator, telnyx_simulator

__all__ = ["RunningSimulator", "_served_simulator", "telnyx_simulator"]
