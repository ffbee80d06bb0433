"""Logs: readable on a terminal, JSON lines elsewhere, those of uvicorn and arq too."""

import asyncio
import atexit
import json
import logging
import sys
import threading
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, TextIO

import orjson
import structlog

from service.security.masking import describe_error, mask_ids, mask_numbers, printable, shown_type
from service.settings import Settings

_QUIET = ("uvicorn.access", "uvicorn.error", "arq", "httpx", "httpcore", "telnyx", "watchfiles")
"""Loggers that say too much at INFO: httpx logs URLs, which may hold numbers."""
_KEPT_WHOLE = frozenset({"timestamp", "level", "logger"})


_always: dict[str, Any] = {}


def announce_dry_run(settings: Settings) -> None:
    """Log that `RINGBACK_DRY_RUN` is on, now and in every later line."""
    if settings.dry_run:
        _always["dry_run"] = True
        structlog.get_logger(__name__).warning("RINGBACK_DRY_RUN is on: what would be sent is only written down")


def configure_logs() -> None:
    """Set up structlog and the standard library's logging, on standard error."""
    stamped = structlog.processors.TimeStamper(fmt="iso", utc=True)
    _configure_own_lines(stamped, sys.stderr)
    _later.stream = None if sys.stderr.isatty() else sys.stderr
    foreign: list[Any] = [structlog.stdlib.add_logger_name, structlog.stdlib.add_log_level, stamped, _clean]
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=foreign, processors=[strip, *_renderers()])
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.unraisablehook = lambda unraisable: _tell("ignored", unraisable.exc_value)
    sys.excepthook = lambda _, error, __: _tell("ended by", error)
    threading.excepthook = lambda args: _tell("a thread ended by", args.exc_value)


def tell_no_texts() -> None:
    """Let the running event loop log only the type and the place of an exception that nobody caught."""
    asyncio.get_running_loop().set_exception_handler(lambda _, context: _tell("left over", context.get("exception")))


def _tell(what: str, error: BaseException | None) -> None:
    where = None if error is None else describe_error(error)
    structlog.get_logger(__name__).error(what, error=where)


def _clean(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the facts of every line, and take away what a log must not hold: tracebacks, numbers and long types."""
    line.update(_always)
    error = line.pop("exc_info", None)
    error = sys.exc_info() if error is True else error
    error = error[1] if isinstance(error, tuple) else error
    if isinstance(error, BaseException):
        # Its type and place alone: its text and its variables may hold a message or a number.
        line["error"] = describe_error(error)
    for name, value in line.items():
        if isinstance(value, str) and name not in _KEPT_WHOLE:
            line[name] = _mask(value)
    if isinstance(line.get("type"), str):
        line["type"] = shown_type(line["type"])
    return line


def _mask(value: str) -> str:
    """Return a value without numbers and ids. It is a second barrier: they are masked where they are logged."""
    return mask_numbers(value.replace("%2B", "+")) if "+" in value or "%2B" in value else mask_ids(value)


@lru_cache(maxsize=500)
def _mask_type(event_type: str) -> str:
    return shown_type(_mask(event_type))


def _make_printable(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep foreign texts from steering the terminal. The renderer prints other values by their `repr`."""
    return {printable(name): printable(value) if isinstance(value, str) else value for name, value in line.items()}


@cache
def _encoder(default: Callable[[Any], Any]) -> json.JSONEncoder:
    return json.JSONEncoder(default=default)


def _dump_json(line: MutableMapping[str, Any], default: Callable[[Any], Any]) -> str:
    """Return JSON in ASCII. Like `json.dumps`, which builds an encoder for each call."""
    return _encoder(default).encode(line)


@dataclass
class _Later:
    """Lines of JSON that are written together at the end of a turn of the loop. Without a `stream`, none is kept."""

    stream: TextIO | None = None
    lines: list[str] = field(default_factory=list)

    def write(self) -> None:
        """Write the lines."""
        lines, self.lines = self.lines, []
        if lines and self.stream is not None:
            with suppress(OSError, ValueError):
                self.stream.write("".join(lines))
                self.stream.flush()


_later = _Later()
atexit.register(_later.write)


def log_later(logger: str, event: str, **values: Any) -> None:
    """Log a line at INFO, together with others of this turn of the event loop. To be called from the loop.

    It costs a third of a line that is written at once. A killed worker loses the lines of one turn.
    """
    if _later.stream is None:
        structlog.get_logger(logger).info(event, **values)
        return
    shown = {
        name: value if not isinstance(value, str) else _mask_type(value) if name == "type" else _mask(value)
        for name, value in values.items()
    }
    timestamp = datetime.now(UTC)
    line = {**shown, "event": event, **_always, "logger": logger, "level": "info", "timestamp": timestamp}
    if not _later.lines:
        asyncio.get_running_loop().call_soon(_later.write)
    _later.lines.append(_compact_json(line) + "\n")


def _compact_json(line: MutableMapping[str, Any]) -> str:
    """Return JSON in ASCII. Like `_dump_json`, and faster where the line is in ASCII already."""
    text = orjson.dumps(line, option=orjson.OPT_UTC_Z)
    return text.decode() if text.isascii() else json.dumps(orjson.loads(text), separators=(",", ":"))


def _renderers() -> list[Any]:
    if sys.stderr.isatty():
        return [_make_printable, structlog.dev.ConsoleRenderer()]
    return [structlog.processors.JSONRenderer(_dump_json)]


class _LineLogger:
    """Writes each line at once. A stream that is gone ends nothing but its lines."""

    def __init__(self, stream: TextIO, name: str | None) -> None:
        self._stream = stream
        self.name = name

    def msg(self, line: str) -> None:
        """Write a line, behind those that wait."""
        _later.write()
        with suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = msg


def _configure_own_lines(stamped: Callable[..., Any], stream: TextIO) -> None:
    """Let our lines go past the standard library's logging, which would render each of them twice."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            stamped,
            _clean,
            *_renderers(),
        ],
        logger_factory=lambda name=None: _LineLogger(stream, name),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
