"""Changes to a body by the path of a field, such as `data.payload.to.0.status`. Lists are counted from 0."""

from typing import Any


class NoSuchField(ValueError):
    """The path leads nowhere. The text names the part that is missing."""


def set_field(body: Any, path: str, value: Any) -> None:
    """Set a field. Objects on the way are made, and a list grows by its next index.

    Raises:
        NoSuchField: a part of the path is empty. Or a list or a plain value has no such part.
    """
    *way, last = _parts(path)
    inner = body
    for position, part in enumerate(way):
        if isinstance(inner, dict):
            inner = inner.setdefault(part, {})
        else:
            inner = inner[_index(inner, part, way[: position + 1])]
    if isinstance(inner, dict):
        inner[last] = value
    elif isinstance(inner, list) and last == str(len(inner)):
        inner.append(value)
    else:
        inner[_index(inner, last, [*way, last])] = value


def remove_field(body: Any, path: str) -> None:
    """Remove a field, or an element of a list.

    Raises:
        NoSuchField: there is no such field.
    """
    *way, last = _parts(path)
    inner = body
    for position, part in enumerate(way):
        inner = inner[_key(inner, part, way[: position + 1])]
    del inner[_key(inner, last, [*way, last])]


def _parts(path: str) -> list[str]:
    parts = path.split(".")
    if "" in parts:
        raise NoSuchField(f"{path!r} has an empty part: write a path such as data.payload.text")
    return parts


def _key(inner: Any, part: str, way: list[str]) -> Any:
    if isinstance(inner, dict):
        if part not in inner:
            raise NoSuchField(f"there is no {'.'.join(way)}")
        return part
    return _index(inner, part, way)


def _index(inner: Any, part: str, way: list[str]) -> int:
    before = ".".join(way[:-1])
    if not isinstance(inner, list):
        raise NoSuchField(f"there is no {'.'.join(way)}, since {before or 'the body'} is a plain value")
    if not part.isascii() or not part.isdigit() or int(part) >= len(inner):
        raise NoSuchField(f"there is no {'.'.join(way)}, since {before or 'the body'} is a list of {len(inner)}")
    return int(part)
