"""Failed messages by code and sender: a person is notified once they reach a rate, with what to do."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

from service.events import Message
from service.events.phone_number import canonical_number
from service.messages.rcs_sending import FAILED
from service.routing import Context
from service.security.masking import mask_number, printable
from service.settings.alert_rate import AlertRate
from service.store.facts.delivery_failures import count_failure
from service.store.facts.remembered import acquire_throttle

_SHOW = "ringback events list --type message.finalized"
_UNKNOWN = "look the code up in Telnyx's messaging error codes"
_LONGEST = 64


@dataclass(frozen=True, slots=True)
class FailureCode:
    """The meaning of a code of Telnyx's, and what to do about it."""

    code: str
    title: str
    remedy: str = _UNKNOWN
    of: Literal["sender", "recipient"] = "sender"


_TABLE = tomllib.loads((files(__package__) / "delivery_failures.toml").read_text("utf-8"))["failure"]
CODES: Mapping[str, FailureCode] = MappingProxyType({each["code"]: FailureCode(**each) for each in _TABLE})


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure of a message: its code, and the number, agent or name that sent it."""

    code: FailureCode
    sender: str

    def __repr__(self) -> str:
        return f"Failure({self.code.code})"

    @property
    def shown_sender(self) -> str:
        """The sender as people may see it."""
        return mask_number(self.sender) if canonical_number(self.sender) else printable(self.sender)


def failures_of(message: Message) -> list[Failure]:
    """Return the failures of a message of ours that a sender can do something about, one for each code."""
    sender = message.from_.phone_number or message.from_.agent_id
    if message.direction != "outbound" or not sender or not any(to.status in FAILED for to in message.to):
        return []
    return [Failure(each, sender[:_LONGEST]) for each in _codes(message) if each.of == "sender"]


def _codes(message: Message) -> Iterator[FailureCode]:
    """Yield the codes of a message. Any other text is left out, since each code takes room in Redis."""
    for code in dict.fromkeys(each.code for each in message.errors):
        if code is not None and len(code) == 5 and code.isascii() and code.isdigit():
            yield CODES.get(code) or FailureCode(code, "an unknown code")


async def count(ctx: Context, event_id: str, failure: Failure, rate: AlertRate) -> bool:
    """Count a failure once, and notify of its code and sender if they have reached the rate. Return whether they have.

    Raises:
        redis.exceptions.RedisError: Redis cannot be reached. Count it again.
    """
    store = ctx.services.store
    subject = f"{failure.code.code}:{store.encryption.hide(failure.sender)}"
    counted = await count_failure(store, subject, event_id, within=rate.seconds, most=rate.failures)
    if counted < rate.failures:
        return False
    # One event of each span notifies, and the same one again if it was interrupted.
    if await acquire_throttle(store, f"delivery_alert:{subject}", event_id, seconds=rate.seconds):
        cause = f"messages of {failure.shown_sender} fail with {failure.code.code}, {failure.code.title}"
        text = f"{rate} or more: {failure.code.remedy}"
        await ctx.notify(cause=cause, text=text, mend=_SHOW)
    return True
