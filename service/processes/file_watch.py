"""Changes to files below a folder."""

from collections.abc import AsyncIterator
from pathlib import Path

from watchfiles import DefaultFilter, awatch

_WATCHED = (".py", ".toml", ".env")
DEBOUNCE = 100
"""Milliseconds of changes that count as one."""


class _Sources(DefaultFilter):
    """Python files, policies and `.env`, outside hidden folders, environments and caches."""

    def __call__(self, change: object, path: str) -> bool:
        return path.endswith(_WATCHED) and super().__call__(change, path)  # type: ignore[arg-type]


async def changes(folder: Path) -> AsyncIterator[list[str]]:
    """Yield the changed Python files, TOML files and `.env` below a folder, as paths within it, after each change.

    Raises:
        OSError: the system cannot watch so many folders.
    """
    whole = str(folder)
    async for changed in awatch(folder, watch_filter=_Sources(), debounce=DEBOUNCE, step=20):
        yield sorted({path.removeprefix(f"{whole}/") for _, path in changed})
