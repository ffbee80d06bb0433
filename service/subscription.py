"""A handler's subscription to event types."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter

from service.events import Event
from service.handler_checks import checked_patterns
from service.settings import Settings

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

Handler = Callable[[Event[Any], Any], Awaitable[None]]
"""Takes an event and its `service.routing.Context`."""
Lifespan = Callable[[], AbstractAsyncContextManager[Any]]
TypesFrom = Callable[[Settings], Sequence[str]]
OrderedBy = Literal["number"] | Callable[[Event[Any]], str | None]
"""The key of events that a handler runs in order: the other party's number, or a function of the author's."""
Unless = Callable[[Event[Any], Settings], str | None]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One handler, and the event types that it reacts to.

    `unless` returns why an event of such a type does not concern it, or None. It must not wait for anything.
    """

    name: str
    types: tuple[str, ...]
    handler: Handler
    payload: TypeAdapter[Any] | None
    max_attempts: int | None
    timeout: float | None
    lifespan: Lifespan | None
    types_from: TypesFrom | None = None
    settings: "type[BaseSettings] | None" = None
    ordered_by: OrderedBy | None = None
    unless: Unless | None = None

    def configured(self, settings: Settings) -> "Subscription":
        """Return the subscription with the event types that the settings decide, where they do."""
        if self.types_from is None:
            return self
        return replace(self, types=checked_patterns(self.types_from(settings), self.handler))
