"""The words of a notification about a registration."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NoticeText:
    """The cause, the details, and the command that helps. A `loud` one is about a sender of SMS fallbacks."""

    cause: str
    text: str
    mend: str
    loud: bool = False
