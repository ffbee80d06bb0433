"""Puts a mutant in force in a process that has imported everything, which is a fork of its own."""

import functools
import gc
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Self

from scripts.mutation.mutants import Mutant
from service.store import scripts

ROOT = Path(__file__).parents[2]
LUA = Path("service/store/lua")


@dataclass(frozen=True)
class Imported:
    """The functions of this process by file below the root, the caches of those that remember results, and sources.

    The sources are those of the start. So nobody has to leave the files alone while mutants run.
    """

    functions: dict[str, list[FunctionType]]
    caches: "list[functools._lru_cache_wrapper[Any]]"
    sources: dict[str, bytes]

    @classmethod
    def now(cls, files: Iterable[str]) -> Self:
        """Return what this process has imported by now. `files` are those of the mutants."""
        found: defaultdict[str, list[FunctionType]] = defaultdict(list)
        caches = []
        for each in gc.get_objects():
            if isinstance(each, FunctionType) and each.__code__.co_filename.startswith(f"{ROOT}/"):
                found[each.__code__.co_filename.removeprefix(f"{ROOT}/")].append(each)
            elif isinstance(each, functools._lru_cache_wrapper) and each.__module__.startswith("service."):  # noqa: SLF001 # it has no other name
                caches.append(each)
        lua = (str(each.relative_to(ROOT)) for each in (ROOT / LUA).rglob("*.lua"))
        return cls(found, caches, {each: (ROOT / each).read_bytes() for each in {*files, *lua}})

    def put_in_force(self, mutant: Mutant | None, folder: Path) -> None:
        """Change what this process runs, or nothing. `folder` gets the Lua scripts of the start.

        Raises:
            ValueError: a function would need other variables of those around it.
        """
        changed = {} if mutant is None else {mutant.file: mutant.applied(self.sources[mutant.file])}
        for file, source in changed.items():
            if not file.endswith(".lua"):
                _change_functions(compile(source, file, "exec", dont_inherit=True), self.functions[file])
        use_scripts({**self.sources, **changed}, folder)
        for each in self.caches:
            each.cache_clear()


def use_scripts(sources: Mapping[str, bytes], folder: Path) -> None:
    """Write Lua scripts into a folder, and let this process load them from there."""
    (folder / "lib").mkdir(parents=True)
    for name, source in sources.items():
        if name.endswith(".lua"):
            (folder / Path(name).relative_to(LUA)).write_bytes(source)
    scripts._LUA, scripts._LIBRARIES = folder, folder / "lib"  # noqa: SLF001 # nothing else asks for them


def _change_functions(changed: CodeType, imported: list[FunctionType]) -> None:
    codes = {(each.co_qualname, each.co_firstlineno): each for each in _codes(changed)}
    for function in imported:
        code = codes.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
        if code is not None:
            function.__code__ = code


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)
