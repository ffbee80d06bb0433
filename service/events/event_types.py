"""Event types: the patterns that name them, and selections of them. Pure."""

from dataclasses import dataclass

ALL = "*"
LEFT_OUT = "!"


def is_pattern(text: str) -> bool:
    """Whether a text is an event type, a family such as `10dlc.*`, or `*`."""
    return text == ALL or (bool(text) and ALL not in text.removesuffix(".*"))


def fits(pattern: str, event_type: str) -> bool:
    """Whether a pattern stands for this type; the same rule by which a claim finds an event's handlers."""
    if pattern.endswith(".*"):
        return event_type.startswith(pattern.removesuffix(ALL))
    return pattern in {ALL, event_type}


@dataclass(frozen=True, slots=True)
class Selection:
    """Some event types: those that `patterns` stand for, without those that `left_out` stand for."""

    patterns: tuple[str, ...]
    left_out: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Selection":
        """Read patterns between commas; `!` before one leaves out what it stands for.

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
        """Whether this type is selected. `*` stands for what Telnyx sends: a `derived` event must be named."""
        if any(fits(pattern, event_type) for pattern in self.left_out):
            return False
        return any(fits(pattern, event_type) for pattern in self.patterns if not (derived and pattern == ALL))
