"""Checks of a handler and of the arguments that subscribe it."""

import inspect
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from types import MappingProxyType
from typing import Any, get_args, get_origin

from pydantic import TypeAdapter

from service.events import Event
from service.events.event_types import is_pattern

Times = int | AbstractSet[int] | None

_CALENDAR = MappingProxyType({"weekday": (0, 6), "hour": (0, 23), "minute": (0, 59), "second": (0, 59)})


def check_options(handler: Callable[..., Any], *, name: str, max_attempts: int | None, timeout: float | None) -> None:
    """Check a handler and the options of its subscription.

    Raises:
        TypeError: the handler is no `async def`.
        ValueError: an option does not fit.
    """
    if not name.isidentifier():
        raise ValueError(f"a handler's name is letters, digits and underscores, not {name!r}")
    if not inspect.iscoroutinefunction(handler):
        raise TypeError(f"{home(handler)} must be an `async def`")
    if max_attempts is not None and max_attempts < 1:
        raise ValueError(f"{home(handler)}: max_attempts counts runs, so it is 1 or more")
    if timeout is not None and not 0 < timeout < float("inf"):
        raise ValueError(f"{home(handler)}: timeout is seconds, more than 0 and not infinite")


def check_order(handler: Callable[..., Any], ordered_by: object) -> None:
    """Check what a handler's events are ordered by.

    Raises:
        TypeError: a function that is `async`.
        ValueError: neither a function nor `"number"`.
    """
    if inspect.iscoroutinefunction(ordered_by):
        raise TypeError(f"{home(handler)}: ordered_by takes a plain function of the event, without async")
    if ordered_by is not None and ordered_by != "number" and not callable(ordered_by):
        raise ValueError(f'{home(handler)}: ordered_by is "number" or a function of the event, not {ordered_by!r}')


def check_times(times: Mapping[str, Times], handler: Callable[..., Any]) -> None:
    """Check the times of a periodic handler.

    Raises:
        ValueError: a time that no clock shows.
    """
    for unit, wanted in times.items():
        first, last = _CALENDAR[unit]
        several = {wanted} if isinstance(wanted, int) else wanted
        if several is not None and not (several and all(first <= each <= last for each in several)):
            raise ValueError(f"{home(handler)}: @router.cron({unit}=…) takes numbers from {first} to {last}")


def check_sources(handler: Callable[..., Any], types: Collection[str], types_from: object) -> None:
    """Check that a handler's event types come from one place.

    Raises:
        ValueError: none or both are given.
    """
    if types and types_from:
        raise ValueError(f"{home(handler)}: give @router.on(…) event types or types_from, not both")
    if not types and not types_from:
        raise ValueError(f"{home(handler)}: @router.on(…) needs an event type, a family such as 10dlc.*, or *")


def checked_patterns(types: Iterable[str], handler: Callable[..., Any]) -> tuple[str, ...]:
    """Return event types and families of them.

    Raises:
        ValueError: one is no event type, no family and not `*`.
    """
    patterns = tuple(types)
    for pattern in patterns:
        if not is_pattern(pattern):
            raise ValueError(f"{home(handler)}: {pattern!r} is no event type, no family such as 10dlc.*, and not *")
    return patterns


def payload_type(handler: Callable[..., Any]) -> TypeAdapter[Any] | None:
    """Return the payload type of the handler's first annotation, such as `Event[Message]`. `Event` asks for a dict.

    Raises:
        TypeError: the handler does not take two arguments, or its annotation cannot be read.
    """
    parameters = list(inspect.signature(handler).parameters.values())
    if len(parameters) != 2:
        raise TypeError(f"{home(handler)} must take two arguments, the event and the context")
    annotation = _evaluated(parameters[0].annotation, handler)
    if annotation in (inspect.Parameter.empty, Any, Event):
        return None
    if get_origin(annotation) is not Event:
        raise TypeError(f"{home(handler)}: annotate the first argument with Event or Event[SomePayload]")
    (payload,) = get_args(annotation)
    return None if payload is Any or get_origin(payload) is dict or payload is dict else _adapter(payload)


def _adapter(payload: Any) -> TypeAdapter[Any]:
    """Return one adapter for each type, so that handlers of one type share a validated payload."""
    try:
        return _shared_adapter(payload)
    except TypeError:
        # A type with arguments that have no hash.
        return TypeAdapter(payload)


_shared_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def _evaluated(annotation: Any, handler: Callable[..., Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, vars(sys.modules[handler.__module__]))  # noqa: S307 - the author's own annotation
    except NameError as error:
        raise TypeError(
            f"{home(handler)}: {error} in the annotation of the event: import it at the top of the module,"
            " outside `if TYPE_CHECKING`"
        ) from None


def home(handler: Callable[..., Any]) -> str:
    """Return a handler's module and name, for errors."""
    return f"{handler.__module__}.{handler.__qualname__}"
