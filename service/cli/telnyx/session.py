"""One command's connection to Telnyx."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import typer
from telnyx import APIError, AsyncTelnyx

from service.cli.connections import SECONDS
from service.cli.output import fail, say
from service.cli.rich_output import progress_of_pages
from service.messages.links import shorteners_to_warn_of
from service.messages.spellings import is_opted_out
from service.outbound.client import open_reader
from service.outbound.errors import classify_error
from service.outbound.list_pages import ListDoesNotEnd, page_progress, rows_of
from service.settings import load
from service.store.connection import connect, locate
from service.store.store import Store

T = TypeVar("T")

ANSWER_SECONDS = 60.0
_NO_ID = "contains dot-segment"
"""Words of the SDK's refusal to put `.` or `..` into a path."""


def with_telnyx(work: Callable[[AsyncTelnyx], Awaitable[T]], *, telling: Callable[[str], Exception] | None = None) -> T:
    """Return the result of work with the account that the settings name.

    If Telnyx refuses, print a line and end the command with exit code 1, or raise it as `telling`.

    Raises:
        InvalidSettings: `TELNYX_API_KEY` is not set.
        typer.BadParameter: an id is `.` or `..`, so that the path is another.
    """
    settings = load()

    async def run() -> T:
        # Shows on a terminal how far a list is, once a second page is asked for.
        with progress_of_pages("Reading pages") as show:
            page_progress.set(show)
            async with open_reader(settings, ANSWER_SECONDS) as telnyx:
                return await work(telnyx)

    try:
        return asyncio.run(run())
    except (APIError, ListDoesNotEnd) as error:
        told = f"Telnyx: {classify_error(error).detail if isinstance(error, APIError) else error}"
        if telling is not None:
            raise telling(told) from None
        fail(told)
    except ValueError as error:
        # The SDK has no class of its own for it.
        if _NO_ID not in str(error):
            raise
        raise typer.BadParameter("`.` and `..` are no ids: see the list of this group of commands") from None


def with_telnyx_and_redis(work: Callable[[AsyncTelnyx, Store], Awaitable[T]]) -> T:
    """Return the result of work with the account and with the Redis that the settings name, like `with_telnyx`.

    Raises:
        InvalidSettings: `TELNYX_API_KEY` is not set.
        NotRunning: `REDIS_URL` is unset and no embedded server answers.
        RedisError: Redis cannot be reached, or refuses.
    """
    settings = load()
    url = locate(settings)

    async def run(telnyx: AsyncTelnyx) -> T:
        async with connect(url, timeout=SECONDS, connections=4) as redis:
            return await work(telnyx, Store.of(redis, settings))

    return with_telnyx(run)


class SaidStop(typer.Exit):
    """The end of a command that has sent nothing, and said why."""


def send_under_key(key: str, work: Callable[[AsyncTelnyx, Store], Awaitable[T]]) -> T:
    """Return the result of work that sends under a key, like `with_telnyx_and_redis`. A failure names the key.

    Raises:
        SaidStop: the number has said STOP.
        typer.Exit: Telnyx refuses, or cannot be reached.
    """
    try:
        return with_telnyx_and_redis(work)
    except SaidStop:
        raise
    except typer.Exit:
        say(f"Where no answer came, it may be sent all the same. Repeat it with --key {key}", err=True)
        raise


async def first_rows(listed: Awaitable[Any], name: str, limit: int) -> list[dict[str, Any]]:
    """Return up to `limit` rows of a list of the SDK's, which asks for further pages on demand."""
    rows: list[dict[str, Any]] = []
    async for each in rows_of(listed, name):
        if len(rows) == limit:
            break
        rows.append(each.to_dict(mode="json"))
    return rows


async def check_consent(store: Store, number: str, *, undone: str) -> None:
    """End the command where the number said STOP."""
    if await is_opted_out(store, number):
        say(f"this number has said STOP: nothing was {undone}", err=True)
        raise SaidStop(1)


async def check_sms(telnyx: AsyncTelnyx, store: Store, number: str, text: str, *, undone: str) -> None:
    """End the command where the number said STOP. Warn of public link shorteners that are no domain of the account."""
    await check_consent(store, number, undone=undone)
    for host in await shorteners_to_warn_of(text, telnyx, store):
        say(f"warning: carriers may block links by {host}, a public shortener", err=True)


def sender_of(given: str | None, how: str) -> str:
    """Return a number or short code of ours that may send.

    Raises:
        typer.BadParameter: there is none. The text is `how` to give it.
    """
    if given is None or given == "profile":
        raise typer.BadParameter(how)
    return given
