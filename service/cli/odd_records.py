"""Records that cannot be shown or written. A command names each, and shows the others."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import typer

from service.cli.output import say
from service.security.masking import describe_error
from service.store.inbox.records import EventRecord

T = TypeVar("T")


@dataclass
class OddRecords:
    """The ids of the records that failed so far."""

    ids: list[str] = field(default_factory=list)

    def each(
        self, records: Iterable[EventRecord], make: Callable[[EventRecord], T], instead: Callable[[str, str], T]
    ) -> list[T]:
        """Return `make(record)` of each record. Where that fails, tell so and take `instead(id, reason)`."""
        made = []
        for record in records:
            try:
                made.append(make(record))
            except Exception as error:  # noqa: BLE001 - a record of any kind must not hide the others
                made.append(instead(record.id, self.tell(record.id, error)))
        return made

    def tell(self, event_id: str, error: Exception) -> str:
        """Note that a record failed, say so on standard error, and return why."""
        why = f"cannot be shown ({describe_error(error)}); please report it"
        self.ids.append(event_id)
        say(f"{event_id}: {why}", err=True)
        return why

    def end(self) -> None:
        """End the command with exit code 1 where a record failed."""
        if self.ids:
            raise typer.Exit(1)
