"""Routers, the context that a handler receives, and the outcomes that it may raise. Pure: the worker fills it in."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from service.handler_checks import (
    Times,
    check_options,
    check_order,
    check_sources,
    check_times,
    checked_patterns,
    home,
    payload_type,
)
from service.settings import Settings
from service.subscription import Lifespan, OrderedBy, Subscription, TypesFrom, Unless

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings
    from redis.asyncio import Redis
    from structlog.typing import FilteringBoundLogger
    from telnyx import AsyncTelnyx

    from service.store.keys import Keys
    from service.store.store import Store

S = TypeVar("S", bound="BaseSettings")
H = TypeVar("H", bound=Callable[..., Awaitable[None]])


class _Services(Protocol):
    """The services behind the methods of a `Context`. The worker brings one for each run."""

    @property
    def store(self) -> "Store": ...
    @property
    def accepted_at(self) -> float: ...
    def now(self) -> float: ...
    async def reply(self, text: str) -> bool: ...
    async def opted_out(self, number: str, since: datetime | None) -> bool: ...
    async def emit(self, event_type: str, payload: Mapping[str, Any], key: str) -> None: ...
    async def schedule(self, event_type: str, payload: Mapping[str, Any], after: float, key: str) -> None: ...
    async def cancel(self, key: str) -> None: ...
    async def notify(self, cause: str, text: str, mend: str) -> None: ...
    async def rcs_capable(self, agent: str, number: str, features: Collection[str]) -> bool: ...


@dataclass(frozen=True, slots=True)
class Rcs:
    """Knowledge of the phones that RCS agents can reach. See `Context.rcs`."""

    _services: _Services

    async def capable(self, agent: str, number: str, *, features: Collection[str] = ()) -> bool:
        """Return whether this agent's messages can reach this phone, and the phone has all of these features.

        Without `features`, a phone that takes text alone is capable too. A card needs `RICHCARD_STANDALONE`, a carousel
        `RICHCARD_CAROUSEL`, and a suggested action such as `ACTION_OPEN_URL` its own. An agent that no carrier has
        approved yet reaches only its test devices.

        Raises:
            ValueError: a feature is misspelt.
            telnyx.APIError: as `reply` does.
        """
        return await self._services.rcs_capable(agent, number, features)


@dataclass(frozen=True, kw_only=True)
class Context:
    """The tools of a handler while it reacts to one event."""

    telnyx: "AsyncTelnyx"
    """The official SDK, without retries of its own: the worker retries."""
    redis: "Redis"
    """Answers bytes."""
    log: "FilteringBoundLogger"
    """Bound to the event and the handler."""
    attempt: int
    """The number of this run: 1, plus one for each run that ended in an error of the handler's own."""
    settings: Settings
    state: Any
    """The value that the `lifespan` of the handler's router yielded."""
    own: Any = None
    """The instance of the router's own settings. `own_settings` gives it with its type."""
    effect_key: str
    """The same in each run of this handler for this event: the key that makes what you do elsewhere repeatable."""
    services: _Services
    shadow: bool = False
    """Whether this is a run of `ringback events shadow`: calls are captured, and `redis` only reads."""

    def own_settings(self, kind: type[S]) -> S:
        """Return the settings that the handler's router was given by `Router(settings=kind)`.

        Raises:
            TypeError: the router was given others, or none.
        """
        if not isinstance(self.own, kind):
            raise TypeError(f"this handler's router has no settings {kind.__name__}: Router(settings={kind.__name__})")
        return self.own

    async def reply(self, text: str) -> bool:
        """Answer an inbound message on the channel it came by, once per event and handler.

        Return False if no answer may or can be sent. Reasons are STOP, START and HELP, an opted-out number, or an
        address that is no number. Others are an unknown channel, WhatsApp after 24 hours, and machines that seem to
        talk.

        Raises:
            ValueError: the event is no inbound message.
            telnyx.APIError: Telnyx refused, or could not be reached. Left to the worker, it is tried again.
        """
        return await self.services.reply(text)

    async def opted_out(self, number: str, since: datetime | None = None) -> bool:
        """Return whether this number has said STOP and not START after it.

        With `since`: whether it has said STOP from then on, even if START came later. So a STOP cancels what waited.
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
        """Raise an event of Ringback's own after a while, once per key. It survives restarts. `after` is in seconds.

        Raises:
            ValueError: the key is not 1 to 200 printable characters, or `after` is negative or not finite.
        """
        delay = after.total_seconds() if isinstance(after, timedelta) else float(after)
        if not 0 <= delay < float("inf"):
            raise ValueError(f"schedule(after=…) takes seconds, 0 or more, not {after!r}")
        await self.services.schedule(event_type, payload, delay, key)

    async def cancel(self, key: str) -> None:
        """Cancel a scheduled event that has not begun, even one that is not yet scheduled.

        Raises:
            ValueError: the key is not 1 to 200 printable characters.
        """
        await self.services.cancel(key)

    async def notify(self, *, cause: str, text: str, mend: str) -> None:
        """Notify a person, without waiting for the delivery.

        `cause` names the problem in a few words and without ids: equal causes within five minutes become one message.
        `text` holds the details, without message texts. `mend` is the command that shows or repairs it.
        """
        await self.services.notify(cause, text, mend)

    @property
    def keys(self) -> "Keys":
        """The names of keys: `user("…")` names one of your own."""
        return self.services.store.keys

    @property
    def rcs(self) -> Rcs:
        """Phones that an RCS agent can reach, remembered for 31 days or until a message shows otherwise."""
        return Rcs(self.services)


CRON = "ringback.cron."
"""The beginning of the type of a periodic handler's event. The handler's name follows."""


class Router:
    """A set of handlers. Compose several by value: `Router(a, b)`.

    `lifespan` is an async context manager without arguments. It yields `ctx.state` for this router's handlers.
    `settings` is a class of pydantic-settings. The worker reads it at its start, and `ctx.own_settings` returns it.
    """

    def __init__(
        self, *routers: "Router", lifespan: Lifespan | None = None, settings: "type[BaseSettings] | None" = None
    ) -> None:
        self._lifespan, self._settings = lifespan, settings
        self._subscriptions: dict[str, Subscription] = {}
        self.subscriptions: Mapping[str, Subscription] = MappingProxyType(self._subscriptions)
        """The handlers by name."""
        self._periodic: dict[str, Mapping[str, Times]] = {}
        for router in routers:
            for subscription in router.subscriptions.values():
                self._add(subscription)
            self._periodic |= router.periodic

    @property
    def periodic(self) -> Mapping[str, Mapping[str, Times]]:
        """The times of the periodic handlers by name, in arq's words."""
        return MappingProxyType(self._periodic)

    def configured(self, settings: Settings) -> "Router":
        """Return the same handlers, with the event types of these settings. One without any ends its begun events."""
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
        ordered_by: OrderedBy | None = None,
        unless: Unless | None = None,
    ) -> Callable[[H], H]:
        """Subscribe the decorated handler, which is returned unchanged.

        `types` are event types, families (`10dlc.*`) or `*`. `name` keeps the handler's identity across renames.
        `max_attempts` counts runs, `timeout` is seconds. Without them the settings decide. `types_from` replaces
        `types` for a handler that configuration turns on. It returns the types, which may be none. `unless` returns why
        an event does not concern the handler, or None. Such a handler is done with this reason, without a run.

        With `ordered_by`, events of one key run one after the other, in the order of acceptance. `"number"` is the
        other party's number. A function of the event returns a key of yours, or None for an event that needs no order.
        It must be quick, and return the same each time.

        Raises:
            TypeError: no `async def`, or an annotation that cannot be read.
            ValueError: no type, a pattern that is none, types given twice, or a name that is taken.
        """
        if types and callable(types[0]):
            raise TypeError('write @router.on("message.received"), with the event types in parentheses')

        def subscribe(handler: H) -> H:
            check_sources(handler, types, types_from)
            own_name, patterns = name or handler.__name__, checked_patterns(types, handler)
            check_options(handler, name=own_name, max_attempts=max_attempts, timeout=timeout)
            check_order(handler, ordered_by)
            shared = (self._lifespan, types_from, self._settings, ordered_by, unless)
            options = (payload_type(handler), max_attempts, timeout, *shared)
            self._add(Subscription(own_name, patterns, handler, *options))
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
        """Run the decorated handler, which is returned unchanged, at these times of day in UTC. Monday is weekday 0.

        None stands for every one: `cron(hour=4)` is daily, `cron(minute={0, 15, 30, 45})` four times an hour. Each
        time is an event (`ringback.cron.<name>`), accepted once however many workers run. So a run has leases, retries
        and an end like any other. A time at which no worker ran is not made up for.

        Raises:
            TypeError: no `async def`, or an annotation that cannot be read.
            ValueError: a time that no clock shows, or a name that is taken.
        """
        times = {"weekday": weekday, "hour": hour, "minute": minute, "second": second}

        def subscribe(handler: H) -> H:
            own_name = name or handler.__name__
            check_times(times, handler)
            self.on(CRON + own_name, name=own_name, max_attempts=max_attempts, timeout=timeout)(handler)
            self._periodic[own_name] = MappingProxyType(times)
            return handler

        return subscribe

    def _add(self, subscription: Subscription) -> None:
        other = self._subscriptions.get(subscription.name)
        if other is not None:
            raise ValueError(
                f"two handlers are named {subscription.name!r} ({home(other.handler)} and"
                f" {home(subscription.handler)}): give one a name of its own, @router.on(…, name=…)"
            )
        self._subscriptions[subscription.name] = subscription
