"""Asking the SDK, sync or async, in one way."""

import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Any, TypeVar, cast

import pytest
import telnyx

T = TypeVar("T")

Client = telnyx.Telnyx | telnyx.AsyncTelnyx


async def answer(value: T | Awaitable[T]) -> T:
    """What the SDK returned, awaited if it has to be."""
    if inspect.isawaitable(value):
        return cast("T", await value)
    return value


async def first_page(pages: object) -> Any:
    """The first page only, which is all that a reader sees who does not ask for more."""
    return await answer(pages)


async def everything(pages: Iterable[T] | AsyncIterable[T]) -> list[T]:
    """The items of all pages."""
    if isinstance(pages, AsyncIterable):
        return [item async for item in pages]
    return list(pages)


async def refusal(ask: Callable[[], object]) -> tuple[int, str]:
    """Status and first code of the error that the call ends with."""
    with pytest.raises(telnyx.APIStatusError) as caught:
        await answer(ask())
    body: Any = caught.value.response.json()
    return caught.value.status_code, body["errors"][0]["code"]
