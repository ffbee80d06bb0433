"""A router with one handler of another router, for the test kit."""

import functools
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic_settings import BaseSettings
from telnyx import APIError

from service.events import Event
from service.outcome import Outcome
from service.routing import Router
from service.subscription import Handler, Lifespan, Subscription


def alone_router(
    handler: Handler, router: Router | None, state: Any, raised: list[BaseException], own: BaseSettings | None
) -> Router:
    """Return a router with this handler only, subscribed like in `router`, which notes its exceptions.

    Raises:
        ValueError: the handler is not in the router, or the router's own settings are missing.
    """
    watched = _watched(handler, raised)
    if router is None:
        alone = Router(lifespan=_yielding(state), settings=None if own is None else type(own))
        alone.on("*")(watched)
        return alone
    mine = _subscription(handler, router)
    if mine.settings is not None and not isinstance(own, mine.settings):
        raise ValueError(f"the router has settings of its own: give own_settings={mine.settings.__name__}(…)")
    alone = Router(lifespan=mine.lifespan if state is None else _yielding(state), settings=mine.settings)
    options: dict[str, Any] = {
        "name": mine.name,
        "max_attempts": mine.max_attempts,
        "timeout": mine.timeout,
        "unless": mine.unless,
    }
    alone.on(types_from=lambda settings: mine.configured(settings).types, **options)(watched)
    return alone


def _subscription(handler: Handler, router: Router) -> Subscription:
    for each in router.subscriptions.values():
        if each.handler is handler:
            return each
    raise ValueError(f"{getattr(handler, '__name__', handler)} is not subscribed in this router")


def _watched(handler: Handler, raised: list[BaseException]) -> Handler:
    @functools.wraps(handler)
    async def watched(event: Event[Any], ctx: Any) -> None:
        try:
            await handler(event, ctx)
        except BaseException as error:
            raised.append(error)
            if isinstance(error, Exception) and not isinstance(error, Outcome | APIError):
                traceback.print_exception(error, file=sys.stderr)
            raise

    return watched


def _yielding(state: Any) -> Lifespan:
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Any]:
        yield state

    return lifespan
