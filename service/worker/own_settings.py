"""Settings of an author's own: the classes that routers were given, filled from the environment and `.env`."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from service.routing import Router


class InvalidOwnSettings(ValueError):
    """A variable of an author's own settings is missing or invalid. The text names each, and quotes no value."""


def read_own_settings(router: Router) -> Mapping[type[BaseSettings], BaseSettings]:
    """Return an instance of each settings class of these handlers. `.env` must be in the environment already.

    Raises:
        InvalidOwnSettings: a variable is missing or invalid, or a class is of another kind.
    """
    kinds = {each.settings for each in router.subscriptions.values() if each.settings is not None}
    return {kind: _read(kind) for kind in kinds}


def _read(kind: Any) -> BaseSettings:
    if not (isinstance(kind, type) and issubclass(kind, BaseSettings)):
        raise InvalidOwnSettings(f"Router(settings={kind!r}) must be a class of pydantic-settings, a BaseSettings")
    try:
        return kind()
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        told = (f"{_variable(kind, each['loc'])}{_problem(each)}" for each in found)
        raise InvalidOwnSettings(f"{kind.__name__}: {'; '.join(told)}. Set it in the environment or in .env") from None


def _problem(error: Any) -> str:
    if error["type"] == "missing":
        return " is not set"
    # The message of an author's own validator may quote the value.
    return " is invalid" if error["type"] in {"value_error", "assertion_error"} else f": {error['msg']}"


def _variable(kind: type[BaseSettings], place: tuple[int | str, ...]) -> str:
    """Return the variable of a field, which the error names by its alias or, without one, by its own name."""
    if not place:
        return "its variables"
    name, prefix = str(place[0]), kind.model_config.get("env_prefix") or ""
    field = kind.model_fields.get(name)
    variable = f"{prefix}{name}".upper() if field is not None and field.validation_alias is None else name
    nested = (str(each).upper() for each in place[1:])
    return (kind.model_config.get("env_nested_delimiter") or ".").join((variable, *nested))
