"""Label values from outside, limited in number: each creates a permanent time series."""

import re
from collections.abc import Iterable

from service.security.masking import mask_numbers

OTHER = "other"


class Labels:
    """The first `most` different texts that match `pattern`. All others become `other`."""

    def __init__(self, pattern: str, *, most: int) -> None:
        self._pattern = re.compile(pattern)
        self._most = most
        self._known: dict[str, str] = {}

    def of(self, text: str) -> str:
        """Return the label for a text."""
        return self._known.get(text) or self._first_seen(text)

    def _first_seen(self, text: str) -> str:
        fits = self._pattern.fullmatch(text) is not None and mask_numbers(text) == text
        if not fits or len(self._known) >= self._most:
            return OTHER
        return self._known.setdefault(text, text)


def event_types(known: Iterable[tuple[str, ...]] = ()) -> Labels:
    """Return labels for event types: holders of a signing key can invent types, and Telnyx adds some without notice.

    `known` are those with a count.
    """
    labels = Labels(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", most=100)
    for (event_type,) in known:
        labels.of(event_type)
    return labels
