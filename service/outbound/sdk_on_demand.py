"""The parts of the official SDK, loaded when they are first used.

`import telnyx` loads the models of all products: 3,200 modules, 55 MB and a second. Ringback needs 50 of them.
"""

import importlib
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType

PARTS = ("telnyx.types", "telnyx.resources")
"""Packages whose `__init__` imports all that is in them. Source: SDK 4.189.0."""


def load_sdk_on_demand() -> None:
    """Let the SDK load its parts on demand, unless it is loaded already or built otherwise."""
    sdk = None if "telnyx" in sys.modules else find_spec("telnyx")
    for name in PARTS if sdk is not None else ():
        spec = PathFinder.find_spec(name, sdk.submodule_search_locations if sdk is not None else None)
        if spec is not None and spec.submodule_search_locations is not None:
            sys.modules[name] = part = module_from_spec(spec)
            setattr(part, "__getattr__", lambda wanted, part=part: _load(part, wanted))  # noqa: B010 - PEP 562


def _load(part: ModuleType, name: str) -> object:
    """Load a module of a part, or the whole part for any other name, as the SDK does."""
    if name.startswith("__") and name != "__all__":
        raise AttributeError(name)
    module = f"{part.__name__}.{name}"
    if name != "__all__" and find_spec(module) is not None:
        return importlib.import_module(module)
    if part.__spec__ is not None and part.__spec__.loader is not None and "__getattr__" in vars(part):
        # Removed first: names that the part itself lacks must not load it again.
        del part.__dict__["__getattr__"]
        part.__spec__.loader.exec_module(part)
    return getattr(part, name)
