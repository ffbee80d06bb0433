"""`RINGBACK_DELIVERY_ALERTS`: the rate of failed messages that a person is notified of."""

import re
from dataclasses import dataclass
from typing import Self

from service.settings.values import seconds

OFF = "off"
MAX_FAILURES = 1000
"""Failures that Redis holds for each code and sender."""
MAX_SECONDS = 86_400.0
_RATE = re.compile(r"(\d{1,9})/(.+)")


@dataclass(frozen=True, slots=True)
class AlertRate:
    """So many failures of one code and sender within so many seconds. `failures` 0 is off."""

    failures: int = 5
    seconds: float = 3600.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `5/1h`, or `off`.

        Raises:
            ValueError: it has another form.
        """
        if text.strip().lower() == OFF:
            return cls(failures=0)
        match = _RATE.fullmatch(text.strip())
        if match is None:
            raise ValueError("give failures within a time, such as 5/1h, or off")
        failures, within = int(match[1]), seconds(match[2])
        if not 1 <= failures <= MAX_FAILURES or not 1 <= within <= MAX_SECONDS:
            raise ValueError(f"give 1 to {MAX_FAILURES} failures within 1s to 1d, such as 5/1h, or off")
        return cls(failures, within)

    def __bool__(self) -> bool:
        return self.failures > 0

    def __str__(self) -> str:
        if not self:
            return OFF
        unit, length = next(each for each in (("h", 3600), ("m", 60), ("s", 1)) if self.seconds % each[1] == 0)
        return f"{self.failures}/{self.seconds / length:g}{unit}"
