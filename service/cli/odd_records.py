"""Records that cannot be shown or written, each named alone: no command's whole output depends on one of them."""

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
        """Return what `make` makes of each record, or `instead(id, error)` where it fails, which is told of."""
        return [self._one(record, make, instead) for record in records]

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

    def _one(self, record: EventRecord, make: Callable[[EventRecord], T], instead: Callable[[str, str], T]) -> T:
        try:
            return make(record)
        except Exception as error:  # noqa: BLE001 - a record of any kind must not hide the others
            return instead(record.id, self.tell(record.id, error))
