"""`RINGBACK_LIMITS`: sends per second."""

import re
from dataclasses import dataclass, fields
from typing import Self

_RATE = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class SendLimits:
    """Sends per second by product, for all workers together. The defaults are those of a new account.

    Source: knowledge base, rate limiting. Telnyx publishes none for WhatsApp: Meta lets one number send 80 a second
    (Meta's page on throughput).
    """

    sms: float = 50
    mms: float = 15
    rcs: float = 1
    whatsapp: float = 80

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `sms=50,mms=15,rcs=1,whatsapp=80`. Missing products have their defaults.

        Raises:
            ValueError: a part is invalid. The text names it.
        """
        given: dict[str, float] = {}
        known = [each.name for each in fields(cls)]
        for number, part in enumerate(text.split(","), start=1):
            product, equals, rate = (each.strip() for each in part.partition("="))
            if not equals or product not in known:
                raise ValueError(f"part {number} does not begin with one of {', '.join(f'{each}=' for each in known)}")
            if product in given:
                raise ValueError(f"{product} is given twice")
            given[product] = _per_second(product, rate)
        return cls(**given)

    def __str__(self) -> str:
        return ",".join(f"{each.name}={getattr(self, each.name):g}" for each in fields(self))


def _per_second(product: str, text: str) -> float:
    if not _RATE.fullmatch(text) or not 0.001 <= float(text) <= 10_000:
        raise ValueError(f"{product}: give a number of sends per second from 0.001 to 10000, such as {product}=20")
    if float(text) > 1 and not float(text).is_integer():
        raise ValueError(f"{product}: above one per second, give a whole number")
    return float(text)
