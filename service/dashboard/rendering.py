"""Pages from templates. Everything that a template shows is escaped, and each filter masks or shortens."""

import hashlib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from service import clock
from service.security.masking import mask_numbers, plain_word, printable, shown_type
from service.store.inbox.transfer import format_timestamp

NAVIGATION = (
    ("/", "Overview"),
    ("/events", "Events"),
    ("/issues", "Issues"),
    ("/numbers", "Numbers"),
    ("/messages", "Messages"),
    ("/blocks", "Blocks"),
    ("/workers", "Workers"),
    ("/registrations", "Registrations"),
    ("/optouts", "Opt-outs"),
    ("/health", "Health"),
    ("/audit", "Audit"),
)
"""The pages of the menu."""

_NOTICES: Mapping[str, str] = tomllib.loads((files("service.dashboard") / "notices.toml").read_text("utf-8"))


def render(template: str, data: Mapping[str, Any]) -> str:
    """Return the text of `templates/<template>.html`, with this data."""
    return _environment().get_template(f"{template}.html").render(data)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("service.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["navigation"] = NAVIGATION
    environment.filters |= {
        "utc": utc,
        "iso": format_timestamp,
        "ago": ago,
        "span": span,
        "bound": bound,
        "count": lambda number: f"{number:,}",
        "event_type": lambda text: mask_numbers(shown_type(text)),
        "line": lambda text: printable(mask_numbers(text)),
        "word": plain_word,
        "segment": lambda text: quote(text, safe=""),
        "parameters": parameters,
        "asset": asset,
    }
    return environment


def static_file(name: str) -> bytes | None:
    """Return a file of the folder `static`, None where there is none of this name."""
    return _static_files().get(name)


@cache
def _static_files() -> Mapping[str, bytes]:
    # All of them at once. A cache by name would grow with each name that anybody makes up.
    return {each.name: each.read_bytes() for each in (files("service.dashboard") / "static").iterdir()}


@cache
def asset(name: str) -> str:
    """Return the path of a static file. It changes with the file, so that browsers may keep it for ever."""
    return f"/static/{name}?v={hashlib.sha256(static_file(name) or b'').hexdigest()[:12]}"


def utc(milliseconds: int | None) -> str:
    """Return a time in UTC to the second, such as `2026-11-26 13:38:22`."""
    return "" if milliseconds is None else format_timestamp(milliseconds)[:19].replace("T", " ")


def ago(milliseconds: int | None) -> str:
    """Return how long ago a time was, or how far ahead it is: `5 min ago`, `in 3 s`."""
    if milliseconds is None:
        return ""
    seconds = clock.now() - milliseconds / 1000
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


def span(seconds: float) -> str:
    """Return a duration in its largest unit: `250 ms`, `3 s`, `5 min`, `7 h`, `2 d`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for unit, size, limit in (("s", 1, 60), ("min", 60, 3600), ("h", 3600, 86_400)):
        if seconds < limit:
            return f"{int(seconds / size)} {unit}"
    return f"{int(seconds / 86_400)} d"


def bound(milliseconds: int) -> str:
    """Return the upper bound of a bucket without rounding: `250 ms`, `2.5 s`, `5 min`."""
    for unit, size in (("min", 60_000), ("s", 1000)):
        if milliseconds >= size:
            return f"{milliseconds / size:g} {unit}"
    return f"{milliseconds} ms"


def parameters(query: Mapping[str, str], **changes: str | int | None) -> str:
    """Return the parameters of a URL with some changed, and those that are None or empty left out."""
    merged = {**query, **changes}
    kept = {name: value for name, value in merged.items() if value not in (None, "")}
    return f"?{urlencode(kept)}" if kept else "?"


def notice(name: str, number: str) -> str:
    """Return the notice of this name, empty where there is none: no text comes from a URL."""
    return _NOTICES.get(name, "").format(number=f"{int(number):,}" if number.isdecimal() and len(number) < 12 else "0")
