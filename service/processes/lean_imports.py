"""Libraries without the modules that they load and Ringback does not need."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.abc import Loader
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any


@contextmanager
def without(*modules: str) -> Iterator[None]:
    """Let no import of the block find these modules, as if they were not installed. Loaded ones stay."""
    known: dict[str, Any] = sys.modules
    blocked = [each for each in modules if each not in known]
    # Python's reference, 5.3.1: where the value is None, an import raises ModuleNotFoundError.
    known.update(dict.fromkeys(blocked))
    try:
        yield
    finally:
        for each in blocked:
            del known[each]


def on_demand(*modules: str) -> None:
    """Let modules be loaded when something of them is first used, rather than when others import them."""
    for name in modules:
        spec = None if name in sys.modules else find_spec(name)
        if spec is not None and spec.loader is not None:
            sys.modules[name] = module = module_from_spec(spec)
            # PEP 562. The LazyLoader of importlib loads at the import already, which reads `__spec__`.
            module.__dict__["__getattr__"] = partial(_load, module, spec.loader)


def _load(module: ModuleType, loader: Loader, name: str) -> object:
    del module.__dict__["__getattr__"]
    loader.exec_module(module)
    return getattr(module, name)
