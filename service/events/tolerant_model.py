"""What all payload models share: they take whatever Telnyx sends, and print nothing private."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict


class TolerantModel(BaseModel):
    """Keeps unknown fields, and never prints what it was given when it does not fit.

    Telnyx adds fields and values without notice and its own samples leave some out: unknown fields are kept, unknown
    values accepted, and what a sample misses is optional.
    """

    model_config = ConfigDict(
        extra="allow", frozen=True, hide_input_in_errors=True, populate_by_name=True, coerce_numbers_to_str=True
    )

    printable: ClassVar[frozenset[str]] = frozenset({"id", "direction", "type", "status", "code"})
    """The fields that may be seen in a log: never numbers, names or texts."""

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [(name, value) for name, value in super().__repr_args__() if name in self.printable]


def read_time(value: object) -> datetime | None:
    """A time as Telnyx writes it, or None where it cannot be read: a handler rarely needs it, and may go without.

    ISO 8601, mostly with `Z` or an offset; without one it is UTC. Deadlines of hosted orders are seconds since 1970.
    """
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def list_of(value: object) -> object:
    """A list, where Telnyx sends null for an empty one or a lone item for one of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


Moment = Annotated[datetime | None, BeforeValidator(read_time)]
