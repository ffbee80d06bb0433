"""JSON walked, changed and written without recursion: events may nest as deeply as the parser reads. Pure.

orjson reads 1024 levels and writes 254. Python's own `json` fails at about 1000, depending on its caller.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

DEEPEST_FOR_MACHINES = 240
"""Levels. orjson writes 254."""


def leaves(value: Any) -> Iterator[Any]:
    """Yield the names of all fields and all values that hold no others, in their order."""
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            todo += [inner for name, below in reversed(each.items()) for inner in (below, name)]
        elif isinstance(each, list):
            todo += reversed(each)
        else:
            yield each


def transform(value: Any, leaf: Callable[[Any, str], Any], key: Callable[[str], str] = str) -> Any:
    """Return a value of the same shape, with `leaf(value, name)` for each leaf and `key(name)` for each name.

    Items of a list bear the name of the list's field.
    """
    root: list[Any] = [None]
    todo: list[tuple[Any, str, Any, Any]] = [(value, "", root, 0)]
    while todo:
        each, name, into, place = todo.pop()
        if isinstance(each, dict):
            into[place] = dict.fromkeys(map(key, each))
            todo += [(inner, own, into[place], key(own)) for own, inner in reversed(each.items())]
        elif isinstance(each, list):
            into[place] = [None] * len(each)
            todo += [(inner, name, into[place], at) for at, inner in reversed(list(enumerate(each)))]
        else:
            into[place] = leaf(each, name)
    return root[0]


def for_machines(content: Any) -> Any:
    """Return a parsed body to be written within other JSON. A body of over 240 levels becomes a text.

    Many programs that read JSON stop at some hundred levels.
    """
    levels, level = 0, [content]
    while level and levels <= DEEPEST_FOR_MACHINES:
        levels += 1
        level = [each for outer in level for each in _within(outer) if isinstance(each, dict | list)]
    return dump_json(content).decode() if level else content


def _within(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def dump_json(value: Any, *, indent: bool = False, sort_keys: bool = False) -> bytes:
    """Write a parsed body as JSON, on one line where it is nested too deeply to be indented."""
    options = (orjson.OPT_INDENT_2 if indent else 0) | (orjson.OPT_SORT_KEYS if sort_keys else 0)
    try:
        return orjson.dumps(value, option=options)
    except orjson.JSONEncodeError:
        return _dump_deep(value, sort_keys=sort_keys)


@dataclass(frozen=True, slots=True)
class _Written:
    text: bytes


def _dump_deep(value: Any, *, sort_keys: bool) -> bytes:
    pieces: list[bytes] = []
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, _Written):
            pieces.append(each.text)
        elif isinstance(each, dict):
            todo += reversed(list(_of_object(each, sort_keys=sort_keys)))
        elif isinstance(each, list):
            todo += reversed(list(_of_array(each)))
        else:
            pieces.append(orjson.dumps(each))
    return b"".join(pieces)


def _of_object(value: dict[str, Any], *, sort_keys: bool) -> Iterator[Any]:
    yield _Written(b"{")
    for number, name in enumerate(sorted(value) if sort_keys else value):
        yield _Written((b"," if number else b"") + orjson.dumps(name) + b":")
        yield value[name]
    yield _Written(b"}")


def _of_array(value: list[Any]) -> Iterator[Any]:
    yield _Written(b"[")
    for number, each in enumerate(value):
        if number:
            yield _Written(b",")
        yield each
    yield _Written(b"]")
