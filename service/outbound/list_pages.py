"""The one way to read lists of the API, page by page: each ends, and none exceeds the request limit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import orjson
from telnyx import RateLimitError

from service.outbound.errors import retry_after

PAUSE = 0.1
"""Seconds between two requests for pages of one list: ten a second, far below what accounts may ask."""
MAX_PAGES = 10_000
"""Pages after which a list that names no number of pages is taken for endless."""
MAX_WAITS = 5
"""Answers of 429 in a row that are waited out."""
MAX_WAIT = 30.0
"""Seconds that a 429 may ask to wait. A longer wait is the caller's to decide on."""

PageProgress = Callable[[int, int | None], None]
"""Called with the number of pages read, and of all pages where Telnyx says so."""

page_progress: ContextVar[PageProgress | None] = ContextVar("page_progress", default=None)
"""Where a command shows how far a list is."""


class ListDoesNotEnd(Exception):
    """The API repeats a page, or goes on beyond the number of pages that it names."""


@dataclass
class PageCheck:
    """The pages of one list that were read, by which a list that never ends is found out."""

    name: str
    pages: int = 0
    rows: int = 0
    _seen: set[str] = field(default_factory=set)

    def count(self, rows: list[Any], total_pages: int | None = None) -> None:
        """Note a page.

        Raises:
            ListDoesNotEnd: each of its rows was in the pages before.
        """
        self.pages += 1
        self.rows += len(rows)
        marks = {_mark(row) for row in rows}
        if marks and marks <= self._seen:
            raise ListDoesNotEnd(f"page {self.pages} of the list of {self.name} repeats rows of pages before it")
        self._seen |= marks
        show = page_progress.get()
        if show is not None:
            show(self.pages, total_pages)

    def before_next(self, total_pages: int | None, total_rows: int | None) -> None:
        """Make sure that another page may follow.

        Raises:
            ListDoesNotEnd: Telnyx names fewer pages or rows, or the pages are too many.
        """
        if total_pages is not None and self.pages >= total_pages:
            raise ListDoesNotEnd(f"the list of {self.name} goes on beyond its {total_pages} pages (total_pages)")
        if total_rows is not None and self.rows > total_rows:
            raise ListDoesNotEnd(f"the list of {self.name} goes on beyond its {total_rows} rows (total_records)")
        if self.pages >= MAX_PAGES:
            raise ListDoesNotEnd(f"the list of {self.name} has more than {MAX_PAGES} pages")


async def pages(first: Awaitable[Any], name: str) -> AsyncIterator[list[Any]]:
    """Yield the rows of each page of a list of the SDK's, which is what its `list(…)` answers.

    Raises:
        ListDoesNotEnd: it repeats a page, or passes its number of pages.
        telnyx.APIError: Telnyx refuses, or cannot be reached.
    """
    check = PageCheck(name)
    page = await _once_allowed(lambda: first)
    while True:
        rows, total_pages = list(page._get_page_items()), _total_pages(page)  # noqa: SLF001 - the SDK names it nowhere else
        if not rows:
            return
        check.count(rows, total_pages)
        yield rows
        total_rows = getattr(page, "total_records", None)
        if check.rows == total_rows or not page.has_next_page():
            return
        check.before_next(total_pages, total_rows)
        await asyncio.sleep(PAUSE)
        page = await _once_allowed(page.get_next_page)


async def rows_of(first: Awaitable[Any], name: str) -> AsyncIterator[Any]:
    """Yield the rows of all pages. Raises what `pages` does."""
    async for page in pages(first, name):
        for row in page:
            yield row


async def _once_allowed(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask for a page, again where Telnyx says that there were too many requests."""
    for waits in range(MAX_WAITS):
        try:
            return await ask()
        except RateLimitError as error:
            wait = retry_after(error.response.headers)
            wait = float(2**waits) if wait is None else wait
            if wait > MAX_WAIT:
                raise
            await asyncio.sleep(max(wait, PAUSE))
    return await ask()


def _total_pages(page: Any) -> int | None:
    total = getattr(getattr(page, "meta", None), "total_pages", None)
    return total if isinstance(total, int) else None


def _mark(row: Any) -> str:
    """Return the identity of a row: its id or, where it has none, its whole content."""
    for name in ("id", "agent_id"):
        known = row.get(name) if isinstance(row, dict) else getattr(row, name, None)
        if isinstance(known, str):
            return known
    content = row.to_dict(mode="json", warnings=False) if hasattr(row, "to_dict") else row
    return orjson.dumps(content, default=str).decode()
