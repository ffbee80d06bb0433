"""One command's conversation with Telnyx."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import typer
from redis.asyncio import Redis
from telnyx import APIError, AsyncTelnyx

from service.cli.connections import SECONDS
from service.cli.output import progress_of_pages, say
from service.outbound.client import open_reader
from service.outbound.errors import classify_error
from service.outbound.list_pages import ListDoesNotEnd, page_progress, rows_of
from service.settings import Settings
from service.store.connection import connect, locate
from service.store.keys import Keys

T = TypeVar("T")

ANSWER_SECONDS = 60.0


def with_telnyx(
    settings: Settings,
    work: Callable[[AsyncTelnyx], Awaitable[T]],
    *,
    telling: Callable[[str], Exception] | None = None,
) -> T:
    """Do some work with the account that the settings name, and answer what it answers.

    A refusal of Telnyx is told in a line, and ends the command with exit code 1; or it is raised as `telling`.

    Raises:
        service.settings.InvalidSettings: `TELNYX_API_KEY` is not set.
    """

    async def working() -> T:
        async with _client(settings) as telnyx:
            return await work(telnyx)

    with refusals_told(telling):
        return asyncio.run(working())


def at_telnyx_and_redis(settings: Settings, work: Callable[[AsyncTelnyx, Redis, Keys], Awaitable[T]]) -> T:
    """Do some work with the account and with the Redis that the settings name; otherwise like `with_telnyx`.

    Raises:
        service.settings.InvalidSettings: `TELNYX_API_KEY` is not set.
        service.processes.data_folder.NotRunning: `REDIS_URL` is unset and no embedded server answers.
        redis.exceptions.RedisError: Redis cannot be reached, or refuses.
    """
    url = locate(settings)

    async def working() -> T:
        async with connect(url, timeout=SECONDS, connections=4) as redis, _client(settings) as telnyx:
            return await work(telnyx, redis, Keys.of(settings))

    with refusals_told():
        return asyncio.run(working())


async def first_rows(listed: Awaitable[Any], name: str, limit: int) -> list[dict[str, Any]]:
    """Up to `limit` rows of a list of the SDK's, which asks for further pages on demand."""
    rows: list[dict[str, Any]] = []
    async for each in rows_of(listed, name):
        if len(rows) == limit:
            break
        rows.append(each.to_dict(mode="json"))
    return rows


@contextmanager
def refusals_told(telling: Callable[[str], Exception] | None = None) -> Iterator[None]:
    """Tell a person of what Telnyx refused, or that it did not answer, and end with exit code 1; or raise `telling`."""
    try:
        with _page_progress():
            yield
    except (APIError, ListDoesNotEnd) as error:
        told = f"Telnyx: {classify_error(error).detail if isinstance(error, APIError) else error}"
        if telling is not None:
            raise telling(told) from None
        say(told, err=True)
        raise typer.Exit(1) from None


@contextmanager
def _page_progress() -> Iterator[None]:
    """Show on a terminal how far a list is, once a second page is asked for."""
    with progress_of_pages("Reading pages") as show:
        token = page_progress.set(show)
        try:
            yield
        finally:
            page_progress.reset(token)


@asynccontextmanager
async def _client(settings: Settings) -> AsyncIterator[AsyncTelnyx]:

    async with open_reader(settings, ANSWER_SECONDS) as telnyx:
        yield telnyx
