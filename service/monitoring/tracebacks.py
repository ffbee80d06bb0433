"""Tracebacks of handlers, for their authors. Shown under `--dev` only, since they may quote texts."""

import sys
import traceback
from types import TracebackType

from pydantic import SecretStr

from service.security.masking import is_authors, mask_numbers, printable_lines
from service.settings import Settings

_shown_with: list[Settings] = []


def show_tracebacks(settings: Settings) -> None:
    """Let `tell_traceback` print, for the rest of this process, without the secrets in these settings."""
    _shown_with.append(settings)


def tell_traceback(error: BaseException | None) -> None:
    """Print the traceback of an exception on standard error, from the author's own code on, if tracebacks are shown.

    Phone numbers and the secrets of the settings are masked.
    """
    if error is None or not _shown_with:
        return
    # The frames of a syntax error are those of Python's own import.
    frames = None if isinstance(error, SyntaxError) else _from_author(error.__traceback__)
    lines = traceback.format_exception(type(error), error, frames)
    text = _without_secrets("".join(lines), _shown_with[-1])
    sys.stderr.write(printable_lines(mask_numbers(text)))
    sys.stderr.flush()


def _from_author(frames: TracebackType | None) -> TracebackType | None:
    """Return the frames from the first one outside Ringback and libraries on, or all where there is none."""
    found = frames
    while found is not None and not is_authors(found.tb_frame.f_code.co_filename):
        found = found.tb_next
    return found or frames


def _without_secrets(text: str, settings: Settings) -> str:
    for value in vars(settings).values():
        if isinstance(value, SecretStr) and value.get_secret_value():
            text = text.replace(value.get_secret_value(), "•••")
    return text
