"""The base of all payload models. They accept anything that Telnyx sends, and print nothing private."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

import pydantic

_EARLIEST = 1_262_304_000.0
"""Seconds: 2010-01-01. No event of Telnyx's is older."""
_LATEST_AHEAD = 900.0
"""Seconds that Telnyx's clock may be ahead of ours, as much as `RINGBACK_TOLERANCE` allows. A START from the future
would lift each STOP until then."""
_LATEST_SECONDS = 1e11
"""Larger numbers are milliseconds since 1970."""


class TolerantModel(pydantic.BaseModel):
    """A model that keeps unknown fields, and prints no value that does not fit.

    Telnyx adds fields and values without notice, and its own samples leave some out. So unknown fields are kept,
    unknown values accepted, and a field that a sample lacks is optional.
    """

    model_config = pydantic.ConfigDict(
        extra="allow", frozen=True, hide_input_in_errors=True, populate_by_name=True, coerce_numbers_to_str=True
    )

    printable: ClassVar[frozenset[str]] = frozenset({"id", "direction", "type", "status", "code"})
    """The fields that a log may show: never numbers, names or texts."""

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [(name, value) for name, value in super().__repr_args__() if name in self.printable]


class ForgivingModel(TolerantModel):
    """A model that treats a field that does not fit as absent, so that it hides none of the others.

    Fields that are required, or `essential`, must fit.
    """

    essential: ClassVar[frozenset[str]] = frozenset()

    @pydantic.model_validator(mode="before")
    @classmethod
    def _without_empty_names(cls, content: object) -> object:
        """Read a field of several names under the first one with a value."""
        if not isinstance(content, Mapping):
            return content
        aliases = [field.validation_alias for field in cls.model_fields.values()]
        names = {name for alias in aliases if isinstance(alias, pydantic.AliasChoices) for name in alias.choices}
        return {name: value for name, value in content.items() if value is not None or name not in names}

    @pydantic.field_validator("*", mode="wrap")
    @classmethod
    def _as_if_absent(
        cls, value: object, read: pydantic.ValidatorFunctionWrapHandler, info: pydantic.ValidationInfo
    ) -> object:
        try:
            return read(value)
        except pydantic.ValidationError:
            field = cls.model_fields[info.field_name or ""]
            if field.is_required() or info.field_name in cls.essential:
                raise
            return field.get_default(call_default_factory=True)


def read_time(value: object) -> datetime | None:
    """Return a time as Telnyx writes it. None if it cannot be read, because a handler rarely needs it.

    The form is ISO 8601, mostly with `Z` or an offset, otherwise UTC. Deadlines of hosted orders are seconds since
    1970, as a number or a text.
    """
    try:
        if isinstance(value, str) and value.isdecimal() and len(value) in (10, 13):
            value = int(value)
        if isinstance(value, bool):
            return None
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000 if value > _LATEST_SECONDS else value, UTC)
        if not isinstance(value, str | datetime):
            return None
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def possible_time(candidates: Iterable[object], now: float) -> float | None:
    """Return the first of these times that something of Telnyx's can have happened at, in seconds since 1970."""
    for each in candidates:
        moment = None if isinstance(each, bool) else read_time(each)
        if moment is not None and _EARLIEST <= (seconds := moment.timestamp()) <= now + _LATEST_AHEAD:
            return seconds
    return None


def list_of(value: object) -> list[Any]:
    """Return a list. Telnyx sends null for an empty one, or the item alone for one of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


Moment = Annotated[datetime | None, pydantic.BeforeValidator(read_time)]
