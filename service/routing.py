"""Routers (which handlers react to which event types), the context that a handler receives, and how it may end.

    Outcome (what a handler may raise on purpose)
    ├── Retry     later; costs no attempt
    ├── Discard   done, with a reason
    └── Dead      given up at once, kept for a person

Pure: nothing here performs I/O. The worker fills in a `Context`.
"""

import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, get_args, get_origin

from pydantic import TypeAdapter

from service.events import Event
from service.events.event_types import is_pattern
from service.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from structlog.typing import FilteringBoundLogger
    from telnyx import AsyncTelnyx

Handler = Callable[[Event[Any], "Context"], Awaitable[None]]
Lifespan = Callable[[], AbstractAsyncContextManager[Any]]
TypesFrom = Callable[[Settings], Sequence[str]]
H = TypeVar("H", bound=Callable[..., Awaitable[None]])


class Outcome(Exception):
    """An exception by which a handler ends, other than by returning."""


class Retry(Outcome):
    """Run this handler again later; costs no attempt, ends as dead after `RINGBACK_MAX_WAIT`.

    `after` is seconds or a timedelta.
    """

    def __init__(self, *, after: float | timedelta, reason: str = "") -> None:
        self.after = after.total_seconds() if isinstance(after, timedelta) else float(after)
        if not 0 <= self.after < float("inf"):
            raise ValueError(f"Retry(after=…) takes seconds, 0 or more, not {after!r}")
        self.reason = reason
        super().__init__(f"again in {self.after:g} s")


class Discard(Outcome):
    """Nothing is to be done about this event; `why` is kept with it, so leave out numbers and texts."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class Dead(Outcome):
    """No further run can help: kept as dead, with a reason to count and a detail for a person."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail)


class _Services(Protocol):
    """The services behind the methods of a `Context`. The worker brings one for each run."""

    async def reply(self, text: str) -> bool: ...
    async def opted_out(self, number: str, since: datetime | None) -> bool: ...
    async def emit(self, event_type: str, payload: Mapping[str, Any], key: str) -> None: ...
    async def schedule(self, event_type: str, payload: Mapping[str, Any], after: float, key: str) -> None: ...
    async def cancel(self, key: str) -> None: ...
    async def notify(self, cause: str, text: str, mend: str) -> None: ...
    async def rcs_capable(self, agent: str, number: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Rcs:
    """Knowledge of the phones that RCS agents can reach; see `Context.rcs`."""

    _services: _Services

    async def capable(self, agent: str, number: str) -> bool:
        """Return whether this agent's messages can reach this number's phone by RCS.

        Raises:
            telnyx.APIError: Telnyx refused, or could not be reached; left to the worker, it is tried again.
        """
        return await self._services.rcs_capable(agent, number)


@dataclass(frozen=True, kw_only=True)
class Context:
    """The tools of a handler while it reacts to one event."""

    telnyx: "AsyncTelnyx"
    """The official SDK, without retries of its own: the worker retries."""
    redis: "Redis"
    """Answers bytes; keys under `<namespace>:user:` are yours."""
    log: "FilteringBoundLogger"
    """Bound to the event and the handler."""
    attempt: int
    """1 for the first run, plus one for each run of this handler that ended in an error of its own."""
    settings: Settings
    state: Any
    """The value that the `lifespan` of the handler's router yielded."""
    effect_key: str
    """The same in each run of this handler for this event: the key that makes what you do elsewhere repeatable."""
    services: _Services
    """The services behind the methods."""

    async def reply(self, text: str) -> bool:
        """Answer an inbound message on the channel it came by, once per event and handler.

        Return False where no answer may or can be sent: to STOP, START and HELP, to an opted-out number, to what is no
        number, by an unknown channel, to WhatsApp after 24 hours, or where two machines seem to talk to each other.

        Raises:
            ValueError: the event is no inbound message.
            telnyx.APIError: Telnyx refused, or could not be reached; left to the worker, it is tried again.
        """
        return await self.services.reply(text)

    async def opted_out(self, number: str, since: datetime | None = None) -> bool:
        """Return whether this number has said STOP and not START after it.

        With `since`: whether it has said STOP from then on, whatever it said later. So a STOP calls off what was
        waiting when it came.
        """
        return await self.services.opted_out(number, since)

    async def emit(self, event_type: str, payload: Mapping[str, Any], *, key: str) -> None:
        """Raise an event of Ringback's own, once per key.

        Raises:
            ValueError: the key is not 1 to 200 printable characters.
        """
        await self.services.emit(event_type, payload, key)

    async def schedule(
        self, event_type: str, payload: Mapping[str, Any], *, after: float | timedelta, key: str
    ) -> None:
        """Raise an event of Ringback's own after a while, once per key; it survives restarts. `after` is in seconds.

        Raises:
            ValueError: the key is not 1 to 200 printable characters, or `after` is negative or not finite.
        """
        delay = after.total_seconds() if isinstance(after, timedelta) else float(after)
        if not 0 <= delay < float("inf"):
            raise ValueError(f"schedule(after=…) takes seconds, 0 or more, not {after!r}")
        await self.services.schedule(event_type, payload, delay, key)

    async def cancel(self, key: str) -> None:
        """Call off a scheduled event that has not begun, even one that is not yet scheduled.

        Raises:
            ValueError: the key is not 1 to 200 printable characters.
        """
        await self.services.cancel(key)

    async def notify(self, *, cause: str, text: str, mend: str) -> None:
        """Let a person know that something needs them; it never waits for a delivery.

        `cause` names what is wrong in a few words and without ids: equal causes within five minutes become one message.
        `text` says what happened, without message texts. `mend` is the command that shows or mends it.
        """
        await self.services.notify(cause, text, mend)

    @property
    def rcs(self) -> Rcs:
        """Phones that an RCS agent can reach, remembered for 31 days or until a message shows otherwise."""
        return Rcs(self.services)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One handler, and the event types that it reacts to."""

    name: str
    types: tuple[str, ...]
    handler: Handler
    payload: TypeAdapter[Any] | None
    max_attempts: int | None
    timeout: float | None
    lifespan: Lifespan | None
    types_from: TypesFrom | None = None

    def configured(self, settings: Settings) -> "Subscription":
        """With the event types that the settings decide, where they do."""
        if self.types_from is None:
            return self
        return replace(self, types=_checked_patterns(tuple(self.types_from(settings)), self.handler))


Times = int | AbstractSet[int] | None

CRON = "ringback.cron."
"""The beginning of the type of a periodic handler's event; the handler's name follows."""

_CALENDAR = MappingProxyType({"weekday": (0, 6), "hour": (0, 23), "minute": (0, 59), "second": (0, 59)})


class Router:
    """A set of handlers. Compose several by value: `Router(a, b)`.

    `lifespan` is an async context manager without arguments. It yields `ctx.state` for this router's handlers.
    """

    def __init__(self, *routers: "Router", lifespan: Lifespan | None = None) -> None:
        self._lifespan = lifespan
        self._subscriptions: dict[str, Subscription] = {}
        self._periodic: dict[str, Mapping[str, Times]] = {}
        for router in routers:
            for subscription in router.subscriptions.values():
                self._add(subscription)
            self._periodic |= router.periodic

    @property
    def subscriptions(self) -> Mapping[str, Subscription]:
        """The handlers by name."""
        return MappingProxyType(self._subscriptions)

    @property
    def periodic(self) -> Mapping[str, Mapping[str, Times]]:
        """The times of the periodic handlers by name, in arq's words."""
        return MappingProxyType(self._periodic)

    def configured(self, settings: Settings) -> "Router":
        """The same handlers, with the event types that the settings decide.

        A handler that they leave without any is given no new events, and still ends those that it had begun.
        """
        router = Router()
        for subscription in self._subscriptions.values():
            router._add(subscription.configured(settings))
        router._periodic |= self._periodic
        return router

    def on(
        self,
        *types: str,
        name: str | None = None,
        max_attempts: int | None = None,
        timeout: float | None = None,
        types_from: TypesFrom | None = None,
    ) -> Callable[[H], H]:
        """Subscribe the decorated handler, which is returned unchanged.

        `types` are event types, families (`10dlc.*`) or `*`. `name` keeps the handler's identity across renames.
        `max_attempts` counts runs, `timeout` is seconds; without them the settings decide. `types_from` takes the place
        of `types` for a handler that configuration turns on: a worker asks it for the types, which may be none.

        Raises:
            TypeError: no `async def`, or an annotation that cannot be read.
            ValueError: no type, a pattern that is none, types given twice, or a name that is taken.
        """
        if types and callable(types[0]):
            raise TypeError('write @router.on("message.received"), with the event types in parentheses')

        def subscribe(handler: H) -> H:
            self._add(
                Subscription(
                    name=_checked_name(name or handler.__name__),
                    types=() if types_from and not types else _checked_types(types, handler, types_from),
                    handler=_checked_handler(handler),
                    payload=_payload_type(handler),
                    max_attempts=_checked_max_attempts(max_attempts, handler),
                    timeout=_checked_timeout(timeout, handler),
                    lifespan=self._lifespan,
                    types_from=types_from,
                )
            )
            return handler

        return subscribe

    def cron(
        self,
        *,
        weekday: Times = None,
        hour: Times = None,
        minute: Times = 0,
        second: Times = 0,
        name: str | None = None,
        max_attempts: int | None = None,
        timeout: float | None = None,
    ) -> Callable[[H], H]:
        """Run the decorated handler, which is returned unchanged, at these times of day in UTC; Monday is weekday 0.

        None stands for every one: `cron(hour=4)` is daily, `cron(minute={0, 15, 30, 45})` four times an hour. Each
        time is an event (`ringback.cron.<name>`), accepted once however many workers run, so that a run has leases,
        retries and an end like any other. A time at which no worker ran is not made up for.

        Raises:
            TypeError: no `async def`, or an annotation that cannot be read.
            ValueError: a time that no clock shows, or a name that is taken.
        """
        times = {"weekday": weekday, "hour": hour, "minute": minute, "second": second}

        def subscribe(handler: H) -> H:
            own_name = name or handler.__name__
            checked = _checked_times(times, handler)
            self.on(CRON + own_name, name=own_name, max_attempts=max_attempts, timeout=timeout)(handler)
            self._periodic[own_name] = checked
            return handler

        return subscribe

    def _add(self, subscription: Subscription) -> None:
        other = self._subscriptions.get(subscription.name)
        if other is not None:
            raise ValueError(
                f"two handlers are named {subscription.name!r} ({_home(other.handler)} and"
                f" {_home(subscription.handler)}): give one a name of its own, @router.on(…, name=…)"
            )
        self._subscriptions[subscription.name] = subscription


def _checked_handler(handler: H) -> H:
    is_async: bool = inspect.iscoroutinefunction(handler)
    if not is_async:
        raise TypeError(f"{_home(handler)} must be an `async def`")
    return handler


def _checked_max_attempts(max_attempts: int | None, handler: Callable[..., Any]) -> int | None:
    if max_attempts is not None and max_attempts < 1:
        raise ValueError(f"{_home(handler)}: max_attempts counts runs, so it is 1 or more")
    return max_attempts


def _checked_timeout(timeout: float | None, handler: Callable[..., Any]) -> float | None:
    if timeout is not None and not 0 < timeout < float("inf"):
        raise ValueError(f"{_home(handler)}: timeout is seconds, more than 0 and not infinite")
    return timeout


def _checked_times(times: Mapping[str, Times], handler: Callable[..., Any]) -> Mapping[str, Times]:
    for unit, wanted in times.items():
        first, last = _CALENDAR[unit]
        several = {wanted} if isinstance(wanted, int) else wanted
        if several is not None and not (several and all(first <= each <= last for each in several)):
            raise ValueError(f"{_home(handler)}: @router.cron({unit}=…) takes numbers from {first} to {last}")
    return MappingProxyType(dict(times))


def _checked_name(name: str) -> str:
    if not name.isidentifier():
        raise ValueError(f"a handler's name is letters, digits and underscores, not {name!r}")
    return name


def _checked_types(
    types: tuple[str, ...], handler: Callable[..., Any], types_from: TypesFrom | None
) -> tuple[str, ...]:
    if types_from is not None:
        raise ValueError(f"{_home(handler)}: give @router.on(…) event types or types_from, not both")
    if not types:
        raise ValueError(f"{_home(handler)}: @router.on(…) needs an event type, a family such as 10dlc.*, or *")
    return _checked_patterns(types, handler)


def _checked_patterns(types: tuple[str, ...], handler: Callable[..., Any]) -> tuple[str, ...]:
    for pattern in types:
        if not is_pattern(pattern):
            raise ValueError(f"{_home(handler)}: {pattern!r} is no event type, no family such as 10dlc.*, and not *")
    return types


def _payload_type(handler: Callable[..., Any]) -> TypeAdapter[Any] | None:
    """Return the payload type of the handler's first annotation, such as `Event[Message]`; `Event` asks for a dict."""
    parameters = list(inspect.signature(handler).parameters.values())
    if len(parameters) != 2:
        raise TypeError(f"{_home(handler)} must take two arguments, the event and the context")
    annotation = _evaluated(parameters[0].annotation, handler)
    if annotation in (inspect.Parameter.empty, Any, Event):
        return None
    if get_origin(annotation) is not Event:
        raise TypeError(f"{_home(handler)}: annotate the first argument with Event or Event[SomePayload]")
    (payload,) = get_args(annotation)
    return None if payload is Any or get_origin(payload) is dict or payload is dict else TypeAdapter(payload)


def _evaluated(annotation: Any, handler: Callable[..., Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, vars(sys.modules[handler.__module__]))  # noqa: S307 - the author's own annotation
    except NameError as error:
        raise TypeError(
            f"{_home(handler)}: {error} in the annotation of the event; import it at the top of the module,"
            " outside `if TYPE_CHECKING`"
        ) from None


def _home(handler: Callable[..., Any]) -> str:
    return f"{handler.__module__}.{handler.__qualname__}"
