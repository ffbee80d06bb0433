"""The conditions of a send, asked by the script that writes its intent: consent, and the state of a message."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from service.events.consent import ConsentChange
from service.events.message import MessageStatus
from service.security.encryption import Sealer
from service.store.effects.sms_budget import WINDOW
from service.store.facts.consent import encode_words
from service.store.facts.message_states import MIN_KEEP, encode_status


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as Telnyx has just shown it: its state, and whom a STOP blocks. The intent's script keeps both."""

    state: MessageStatus
    consent: tuple[ConsentChange, ...]


@dataclass(frozen=True, slots=True)
class InsteadOf:
    """The message in whose place something is sent; `since` is when it was sent (seconds since 1970).

    `segments` count against the `limit` of an hour, and the state of the message is kept for `keep` seconds. `shown` is
    what Telnyx shows of it.
    """

    message_id: str
    since: float | None
    segments: int
    limit: int
    keep: float
    shown: Shown | None = None


@dataclass(frozen=True, slots=True)
class SendConditions:
    """The conditions on the recipients of a send when its intent is written.

    A reply counts against `replies_per_hour`. `regions` are those that it is noted to go to.
    """

    numbers: tuple[str, ...]
    instead_of: InsteadOf | None = None
    replies_per_hour: int | None = None
    regions: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"SendConditions(instead_of={self.instead_of!r}, replies_per_hour={self.replies_per_hour})"


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """The reason why no intent was written; `about` names the event that holds the right, or the missing keys."""

    reason: str
    about: tuple[str, ...] = ()


def conditions_argument(conditions: SendConditions | None, encryption: Sealer, *, only_asks: bool) -> bytes:
    """Return the conditions as the script reads them; with `only_asks` it takes neither the right nor the budget."""
    if conditions is None:
        return b""
    instead_of = conditions.instead_of
    written: dict[str, Any] = {
        "keys": encryption.names,
        "recipients": [encryption.forms(number) for number in conditions.numbers],
        "only_asks": only_asks,
        "regions": conditions.regions,
    }
    if conditions.replies_per_hour is not None:
        written["reply"] = {"limit": conditions.replies_per_hour, "window": int(WINDOW * 1000)}
    if instead_of is not None:
        written["message"] = {
            "id": instead_of.message_id,
            "since": -1 if instead_of.since is None else int(instead_of.since * 1000),
            "segments": instead_of.segments,
            "limit": instead_of.limit,
            "window": int(WINDOW * 1000),
            "keep": int(max(instead_of.keep, MIN_KEEP) * 1000),
        }
        if instead_of.shown is not None:
            written["shown"] = {
                "words": encode_words(instead_of.shown.consent, encryption),
                "state": encode_status(instead_of.shown.state, encryption, keep=instead_of.keep),
            }
    return orjson.dumps(written)


def parse_refusal(answer: Sequence[bytes]) -> NotAllowed:
    """Read the script's answer."""
    reason, *about = (each.decode() for each in answer)
    return NotAllowed(reason, tuple(about))
