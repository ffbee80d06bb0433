"""The former place of `service.testing.simulator.fixtures`, kept for one release."""

from service.testing.simulator.fixtures import RunningSimulator, _served_simulator, telnyx_simulator

__all__ = ["RunningSimulator", "_served_simulator", "telnyx_simulator"]
