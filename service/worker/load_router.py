"""Loading the router that `HANDLERS` names, by import string."""

import importlib
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from service.routing import Router
from service.security.masking import describe_error
from service.settings import Settings
from service.settings.variables import export_env_file
from service.worker.own_settings import InvalidOwnSettings, read_own_settings


class CannotLoadHandlers(Exception):
    """The text says why, and what to do."""


def load_router(import_string: str) -> Router:
    """Import `module:name`. The working directory is the last place on the import path.

    Raises:
        CannotLoadHandlers: there is no such module or name, it fails at import, or it is no Router. Or the working
            directory has another module of that name, or one named as a package of Ringback's. Or a variable of the
            router's own settings is missing or invalid.
    """
    module_name, _, name = import_string.partition(":")
    put_working_directory_last()
    export_env_file()
    importlib.invalidate_caches()
    _refuse_shadows()
    module = _module(module_name, import_string)
    _refuse_another_of_that_name(module_name, import_string)
    router = getattr(module, name, None)
    if not isinstance(router, Router):
        found = "there is no such name" if router is None else f"it is of type {type(router).__name__}"
        raise CannotLoadHandlers(
            f"HANDLERS={import_string}: {name} must be a Router, but {found} in {module_name}."
            " Write `router = Router()` there, or name another"
        )
    try:
        read_own_settings(router)
    except InvalidOwnSettings as error:
        raise CannotLoadHandlers(f"HANDLERS={import_string}: {error}") from error
    return router


def subscribed_types(router: Router, settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the event types (patterns) of each handler under these settings."""
    return {each.name: each.types for each in router.configured(settings).subscriptions.values()}


def _module(module_name: str, import_string: str) -> object:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        why = f"it needs {error.name!r}, which is not installed"
        if error.name is not None and module_name.startswith(error.name):
            why = f"there is no module {error.name!r} in {Path.cwd()} or on the import path"
        raise CannotLoadHandlers(f"HANDLERS={import_string}: {why}") from error
    except (Exception, SystemExit) as error:
        raise CannotLoadHandlers(f"HANDLERS={import_string}: {describe_error(error)}: {error}") from error


def put_working_directory_last() -> None:
    """Let nothing in the working directory stand in for an installed module. `python -m` puts it first."""
    here = Path.cwd()
    sys.path[:] = [each for each in sys.path if each != "" and Path(each) != here]
    sys.path.append(str(here))


def _refuse_another_of_that_name(module_name: str, import_string: str) -> None:
    """Check that the import found the file in the working directory, where there is one of that name."""
    top = module_name.partition(".")[0]
    mine, loaded = _in_working_directory(top), _places(sys.modules[top].__spec__)
    if mine and not mine & loaded:
        raise CannotLoadHandlers(
            f"HANDLERS={import_string}: {_shown(mine)} is not what was loaded, since another module of that name is"
            f" installed. Rename yours, such as to my_{top}, and set HANDLERS=my_{import_string}"
        )


def _in_working_directory(name: str) -> set[Path]:
    """Return the places of a module of this name in the working directory. A folder without Python files is none."""
    places = _places(PathFinder.find_spec(name, [str(Path.cwd())]))
    return {each for each in places if not each.is_dir() or any(each.rglob("*.py"))}


def _places(spec: ModuleSpec | None) -> set[Path]:
    """Return the file of a module. Of a folder without an `__init__.py`, the folders."""
    if spec is None:
        return set()
    if spec.has_location and spec.origin is not None:
        return {Path(spec.origin).resolve()}
    return {Path(each).resolve() for each in spec.submodule_search_locations or ()}


def _shown(places: set[Path]) -> Path:
    place = min(places)
    return place.parent if place.name == "__init__.py" else place


def _refuse_shadows() -> None:
    """Refuse a user's module named `service` or `handlers`: it would not be loaded, or would stand in for ours."""
    root = Path(__file__).parents[2]
    for name in ("service", "handlers"):
        ours = {(root / name / "__init__.py").resolve()}
        others = (_in_working_directory(name) | _places(PathFinder.find_spec(name, sys.path))) - ours
        if others:
            raise CannotLoadHandlers(
                f"{_shown(others)} bears the name of a package of Ringback's, and is not loaded. Please rename it,"
                f" such as to my_{name}, and set HANDLERS=my_{name}:router, or start Ringback in another folder"
            )
