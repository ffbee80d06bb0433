"""The variables of the environment and of `.env`: their sources, and those that nothing reads."""

import os
from difflib import get_close_matches
from typing import Literal

from dotenv import dotenv_values

from service.settings import ENV_FILE, OF_THE_SDK, Settings, unreadable_env_file


def unknown_variables() -> list[str]:
    """Return a line for each variable with a prefix of ours or Telnyx's that nothing reads, and the likely name."""
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    return [
        f"{name} (from {source}) means nothing to Ringback{_meant(name, known)}"
        for source, names in (("the environment", os.environ), (".env", names_in_file()))
        for name in sorted(names)
        if name.upper().startswith(("RINGBACK_", "TELNYX_")) and name.upper() not in known | OF_THE_SDK
    ]


def names_in_file() -> frozenset[str]:
    """Return the names that `.env` sets."""
    return frozenset(dotenv_values(ENV_FILE, interpolate=False))


def sets_secret() -> bool:
    """Return whether `.env` sets a secret of Ringback's or of Telnyx's SDK."""
    fields = Settings.model_fields.values()
    secrets = {str(field.validation_alias) for field in fields if "Secret" in str(field.annotation)} | OF_THE_SDK
    return any(name.upper() in secrets for name in names_in_file())


def export_env_file(*, only: str = "") -> None:
    """Let handlers find their own variables of `.env` in the environment, where they are not set. Ringback's stay out.

    `only` is the beginning of the names that are wanted.

    Raises:
        InvalidSettings: the file is not UTF-8, or not this user's to read.
    """
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    try:
        values = dotenv_values(ENV_FILE)
    except (UnicodeDecodeError, PermissionError) as error:
        raise unreadable_env_file(error) from None
    for name, value in values.items():
        is_ours = name.upper() in known or name.upper().startswith(("RINGBACK_", "TELNYX_"))
        if value is not None and not is_ours and name.startswith(only):
            os.environ.setdefault(name, value)


def source_of(settings: Settings, name: str) -> Literal["default", "environment", ".env"]:
    """Return the source of the value of the field `name`."""
    if name not in settings.model_fields_set:
        return "default"
    variable = str(Settings.model_fields[name].validation_alias)
    # Names of variables are read whatever their case.
    in_environment = any(each.upper() == variable for each in os.environ)
    return ".env" if not in_environment and variable in map(str.upper, names_in_file()) else "environment"


def _meant(name: str, known: set[str]) -> str:
    near = get_close_matches(name.upper(), known, n=1, cutoff=0.8)
    return f": is {near[0]} meant?" if near else ": is it misspelt?"
