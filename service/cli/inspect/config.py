"""`ringback config`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from service.cli.options import JsonOption
from service.cli.output import say, say_json
from service.cli.rich_output import print_table
from service.processes.redis_url import parse_redis_url
from service.security.masked_urls import MASK, without_password, without_secrets
from service.security.masking import mask_numbers
from service.settings import Settings, load
from service.settings.values import Duration, Size
from service.settings.variables import source_of

Source = Literal["default", "environment", ".env"]

_DAY_TO_SECOND = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_MIB_TO_BYTE = (("MiB", 1024**2), ("KiB", 1024), ("B", 1))


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """A variable as it may be shown: its value in the variable's own form (None: unset), and the value's source."""

    value: str | int | None
    source: Source


def config(*, as_json: JsonOption = False) -> None:
    """Show every setting in force, and the Redis in use.

    Reads environment variables and a .env file in this folder. Secrets and phone numbers are masked.

    Exit codes: 0 shown, 2 a variable is invalid.
    """
    settings = load()
    variables, redis = shown(settings), redis_in_words(settings)
    if as_json:
        say_json({"settings": variables, "redis": redis})
    else:
        rows = [(name, "unset" if one.value is None else str(one.value), one.source) for name, one in variables.items()]
        print_table(("variable", "value", "from"), rows)
        say("", f"Redis: {redis}")


def shown(settings: Settings) -> dict[str, ShownSetting]:
    """Return every variable by its name, in the order of the settings."""
    return {
        str(field.validation_alias): ShownSetting(_value(field, getattr(settings, name)), source_of(settings, name))
        for name, field in Settings.model_fields.items()
    }


def redis_in_words(settings: Settings) -> str:
    """Return the Redis that a command with these settings uses, without its password."""
    if settings.redis_url is None:
        return f"embedded in {settings.data.resolve()}, since REDIS_URL is unset"
    return without_password(settings.redis_url)


def redis_address(settings: Settings) -> str:
    """Return the address of the Redis of these settings, for errors: host and port, or a path."""
    if settings.redis_url is None:
        return f"the embedded server in {settings.data.resolve()}"
    return str(parse_redis_url(settings.redis_url.get_secret_value()))


def duration(seconds: float) -> str:
    """Return seconds as the variables take them: `30s`, `22h`, `7d`, in the largest unit that divides them."""
    return _in_units(seconds, _DAY_TO_SECOND) or f"{seconds}s"


def size(number: int) -> str:
    """Return bytes as the variables take them: `512KiB`, `1MiB`."""
    return _in_units(number, _MIB_TO_BYTE) or f"{number}B"


def _in_units(number: float, units: tuple[tuple[str, int], ...]) -> str | None:
    fitting = (f"{int(number / each)}{unit}" for unit, each in units if number % each == 0)
    return next(fitting, None)


_SHOWN_IN_PART: dict[str, Callable[[Any], str]] = {
    "REDIS_URL": without_password,
    "RINGBACK_FORWARD_URL": without_secrets,
    "TELNYX_BASE_URL": without_secrets,
    "RINGBACK_PUBLIC_URL": without_secrets,
    "RINGBACK_FAILOVER_URL": without_secrets,
    "RINGBACK_SMS_FROM": mask_numbers,
    "RINGBACK_REPLY_COUNTRIES": lambda countries: ",".join(sorted(countries)),
}
_DURATION, _SIZE = (get_args(kind)[1] for kind in (Duration, Size))


def _value(field: FieldInfo, value: Any) -> str | int | None:
    if value is None:
        return None
    if show_part := _SHOWN_IN_PART.get(str(field.validation_alias)):
        return show_part(value)
    if isinstance(value, SecretStr):
        return MASK
    if _DURATION in field.metadata:
        return duration(value)
    if _SIZE in field.metadata:
        return size(value)
    return value if isinstance(value, int) else str(value)
