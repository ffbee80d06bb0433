"""Event types: the patterns that name them, selections of them, and the types that are known. Pure."""

from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files

ALL = "*"
LEFT_OUT = "!"

_LINES = (files(__package__) / "event_types.txt").read_text("utf-8").splitlines()
TYPES = frozenset(line for line in _LINES if line and not line.startswith("#"))
"""Types of Telnyx, and types that Ringback itself raises for handlers."""
RAISED_HERE = TYPES & frozenset(_LINES[_LINES.index("# Types that Ringback itself raises for handlers.") :])
"""The latter alone."""

_CUTOFF = 0.85
"""Similarity from which a spelling counts as meant: two wrong letters in `message.received`."""


def is_pattern(text: str) -> bool:
    """Return whether a text is an event type, a family such as `10dlc.*`, or `*`."""
    return text == ALL or (bool(text) and ALL not in text.removesuffix(".*"))


def fits(pattern: str, event_type: str) -> bool:
    """Return whether a pattern matches this type, by the same rule as a claim's search for handlers."""
    if pattern.endswith(".*"):
        return event_type.startswith(pattern.removesuffix(ALL))
    return pattern in {ALL, event_type}


@dataclass(frozen=True, slots=True)
class Selection:
    """Some event types: those that `patterns` match, without those that `left_out` match."""

    patterns: tuple[str, ...]
    left_out: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Selection":
        """Read patterns between commas. `!` before one excludes its types.

        Raises:
            ValueError: an entry is no pattern, or nothing is selected.
        """
        entries = [entry.strip() for entry in text.split(",")]
        for entry in entries:
            if not is_pattern(entry.removeprefix(LEFT_OUT)):
                raise ValueError(f"{entry!r} is no event type, no family such as 10dlc.*, and not *")
        patterns = tuple(entry for entry in entries if not entry.startswith(LEFT_OUT))
        if not patterns:
            raise ValueError("nothing is selected: begin with *, as in *,!message.received")
        return cls(patterns, tuple(entry.removeprefix(LEFT_OUT) for entry in entries if entry.startswith(LEFT_OUT)))

    def holds(self, event_type: str, *, derived: bool = False) -> bool:
        """Return whether this type is selected. `*` stands for what Telnyx sends: a `derived` event must be named."""
        if any(fits(pattern, event_type) for pattern in self.left_out):
            return False
        return any(fits(pattern, event_type) for pattern in self.patterns if not (derived and pattern == ALL))


def nearest_type(pattern: str) -> str | None:
    """Return the known type or family that a pattern seems to misspell, or None."""
    known = _families() if pattern.endswith(".*") else TYPES
    if pattern in known:
        return None
    return next(iter(get_close_matches(pattern.lower(), known, n=1, cutoff=_CUTOFF)), None)


def _families() -> frozenset[str]:
    parts = (each.split(".") for each in TYPES)
    return frozenset(f"{'.'.join(each[:end])}.*" for each in parts for end in range(1, len(each)))
