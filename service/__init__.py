"""Ringback: what authors of handlers import."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.events import Event
    from service.outcome import Discard, Retry
    from service.routing import Context, Router

__all__ = ["Context", "Discard", "Event", "Retry", "Router"]

_MODULES = {"Context": "routing", "Discard": "outcome", "Event": "events", "Retry": "outcome", "Router": "routing"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the command line needs none of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found
