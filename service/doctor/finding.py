"""The result of a check, and what a check raises where not all is well."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "failed"]


class CheckFailed(Exception):
    """A failed check. The text says why, and what to do."""


class Warned(Exception):
    """A risk that is no failure. The text names it, and says what to do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `told` says what was found and, unless it is ok, what to do."""

    check: str
    status: Status
    told: str


def raise_any(kind: type[Exception], problems: Iterable[str]) -> None:
    """Raise an exception of this kind that names all problems, if there are any."""
    if told := "; ".join(problems):
        raise kind(told)
