"""A data folder whose events are the local Telnyx's: its mark, with the variables by which commands reach it."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from service.security.masking import printable

_MARK = "simulator"
_LONGEST = 500


def is_simulated(data: Path) -> bool:
    """Return whether the folder belongs to `ringback up --dev --simulator`."""
    return (data / _MARK).exists()


def mark(data: Path, variables: Mapping[str, str]) -> None:
    """Mark a folder as the local Telnyx's, with the variables by which other commands reach it."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data / _MARK
    path.touch(mode=0o600)
    path.write_text(" ".join(f"{name}={value}" for name, value in variables.items()))


def advice(data: Path) -> str:
    """Return how a command reaches the local Telnyx of this folder, as the end of an error. It is empty without one."""
    variables = ""
    with suppress(OSError, ValueError):
        variables = printable((data / _MARK).read_text()[:_LONGEST])
    return f". For the simulator of {data} set {variables}" if variables else ""
