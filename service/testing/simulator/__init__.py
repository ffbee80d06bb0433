"""A local Telnyx: the API operations with their rules and faults, and signed webhooks sent back."""

from service.testing.simulator.api.call import LoggedRequest
from service.testing.simulator.app import create_app
from service.testing.simulator.server import running, serve
from service.testing.simulator.simulator import Simulator

__all__ = ["LoggedRequest", "Simulator", "create_app", "running", "serve"]
