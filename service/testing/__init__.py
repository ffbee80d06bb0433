"""Run handlers and whole deployments without Telnyx: the test kit, sample events and the simulator."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.testing.bench import Bench, Result, make_event, open_bench, run_handler
    from service.testing.samples import sample

__all__ = ["Bench", "Result", "make_event", "open_bench", "run_handler", "sample"]


def __getattr__(name: str) -> Any:
    """Return a name of the test kit, which loads the worker and the Telnyx SDK: samples and simulator start without."""
    if name in __all__:
        return getattr(import_module("service.testing." + ("samples" if name == "sample" else "bench")), name)
    raise AttributeError(name)
