"""Loading the router that `HANDLERS` names, by import string."""

import importlib
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from service.masking import told
from service.routing import Router


class CannotLoadHandlers(Exception):  # noqa: N818 - a state
    """The text says why, and what to do."""


def load_router(import_string: str) -> Router:
    """Import `module:name`; the working directory is on the import path.

    Raises:
        CannotLoadHandlers: there is no such module or name, it fails at import, or it is no Router.
    """
    module_name, _, name = import_string.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    _refuse_shadows()
    router = getattr(_module(module_name, import_string), name, None)
    if not isinstance(router, Router):
        found = "there is no such name" if router is None else f"it is of type {type(router).__name__}"
        raise CannotLoadHandlers(
            f"HANDLERS={import_string}: {name} must be a Router, but {found} in {module_name};"
            " write `router = Router()` there, or name another"
        )
    return router


def _module(module_name: str, import_string: str) -> object:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and module_name.startswith(error.name):
            raise CannotLoadHandlers(
                f"HANDLERS={import_string}: there is no module {error.name!r} in {Path.cwd()} or on the import path"
            ) from error
        raise CannotLoadHandlers(
            f"HANDLERS={import_string}: it needs {error.name!r}, which is not installed"
        ) from error
    except (Exception, SystemExit) as error:
        raise CannotLoadHandlers(f"HANDLERS={import_string}: {told(error)}: {error}") from error


def _refuse_shadows() -> None:
    """A user's folder that happens to be named `service` or `handlers` would stand in for ours."""
    root = Path(__file__).parent.parent
    for name in ("service", "handlers"):
        spec = PathFinder.find_spec(name, sys.path)
        found = Path(spec.origin) if spec is not None and spec.origin is not None else root / name / "__init__.py"
        if found.resolve() != (root / name / "__init__.py").resolve():
            told = found.parent if found.name == "__init__.py" else found
            raise CannotLoadHandlers(
                f"{told} bears the name of a package of Ringback's: rename it, or start Ringback in another folder"
            )
