"""A local Telnyx: the API operations with their rules and faults, and signed webhooks sent back."""

from service.simulator.app import create_app
from service.simulator.request_log import LoggedRequest
from service.simulator.server import running, serve
from service.simulator.simulator import Simulator

__all__ = ["LoggedRequest", "Simulator", "create_app", "running", "serve"]
