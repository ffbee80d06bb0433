"""Ringback: what authors of handlers import."""

from service.events import Event
from service.routing import Context, Discard, Retry, Router

__all__ = ["Context", "Discard", "Event", "Retry", "Router"]
