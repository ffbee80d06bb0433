"""The state of a message per recipient: merged in one step, and asked before something is sent in its place."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from service.events.consent import ConsentChange
from service.events.message import MessageStatus
from service.security.encryption import Sealer
from service.store.effects import rate_limits
from service.store.facts.consent import KeyMissing, consent_name, encode_words
from service.store.scripts import Argument
from service.store.store import Store

DEFAULT_KEEP = 7 * 86_400.0
"""Seconds for which the state of a message is kept, unless the retention says otherwise."""
MIN_KEEP = 48 * 3600.0

Purpose = Literal["read", "hold", "sent"]


@dataclass(frozen=True, slots=True)
class PlannedSend:
    """The message that would go to a recipient. The preflight asks whether it could go, and takes nothing.

    `awake` is false in quiet hours: then only consent is asked. `since` is when the message was sent (seconds since
    1970). From `fresh_until` on it is too old for something in its place. `segments` count against the `limit` of an
    hour.
    """

    awake: bool
    since: float | None
    fresh_until: float | None
    segments: int
    limit: int
    admission: rate_limits.AdmissionRequest


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient of a message. `effect` is the ledger's name of the effect that would send in its place."""

    number: str
    effect: str
    planned: PlannedSend | None = None

    def __repr__(self) -> str:
        return f"Recipient(effect={self.effect!r})"


@dataclass(frozen=True, slots=True)
class Preflight:
    """Whether what would be sent to a recipient could go now.

    `known`: the ledger knows its effect. `consent_missing` names encryption keys without which nobody can tell who is
    `opted_out`. `room` and `admission` are None where something stands against it before. `clear`: no block and no
    failure is known, so that a read of Telnyx need not ask.
    """

    known: bool
    opted_out: bool
    consent_missing: tuple[str, ...]
    room: rate_limits.Room | None
    admission: rate_limits.Granted | rate_limits.Deferred | rate_limits.Blocked | None
    clear: bool


@dataclass(frozen=True, slots=True)
class RecipientState:
    """Everything known of one recipient of a message.

    `status` is the furthest one known. `reason` says why nothing may be sent in the message's place. It is empty where
    it may be sent, or the asking event has `sent` it already, or `perhaps`. `right` is the event that holds the right
    to send, `held` is since when that waits (seconds since 1970).
    """

    status: str
    reason: str
    right: str
    held: float | None
    sent: bool = False
    perhaps: bool = False
    preflight: Preflight | None = None


@dataclass(frozen=True, slots=True)
class MessageState:
    """The asked recipients of a message, by number.

    `double_deliveries` names the carriers of recipients who got both the message and something in its place, each once.
    """

    recipients: dict[str, RecipientState]
    double_deliveries: tuple[str, ...]


async def read_state(
    store: Store,
    message_id: str,
    recipients: Sequence[Recipient],
    *,
    by: str,
    keep: float = DEFAULT_KEEP,
    purpose: Purpose = "read",
    at: float = 0.0,
    said: MessageStatus | None = None,
) -> MessageState:
    """Return what is known of a message, after merging what is `said` of it, for the event `by`.

    `purpose` notes more: that the SMS waits from `at` on (`hold`), or that it was `sent`.

    Raises:
        KeyMissing: recipients are hidden under an encryption key that is not here.
    """
    args: list[Argument] = [message_id, _milliseconds(keep), purpose, by, int(at * 1000)]
    args += (
        orjson.dumps(store.encryption.names),
        orjson.dumps(encode_status(said, store.encryption, keep=keep)) if said else b"",
    )
    for each in recipients:
        args += (orjson.dumps(store.encryption.forms(each.number)), each.effect, _planned(each.planned))
    missing, double_deliveries, *answers = await store.run("message", *args)
    if missing:
        raise KeyMissing([each.decode() for each in missing])
    states = {each.number: _state(answer, store.encryption) for each, answer in zip(recipients, answers, strict=True)}
    return MessageState(states, tuple(each.decode() for each in double_deliveries))


def encode_status(said: MessageStatus, encryption: Sealer, *, keep: float) -> dict[str, Any]:
    """Return the state of a message as the scripts merge it."""
    to = [
        (encryption.forms(each.number) if each.number is not None else (), each.status, each.carrier)
        for each in said.recipients
    ]
    at = {} if said.at is None else {"at": int(said.at * 1000)}
    read = {"read": True} if said.is_reading else {}
    return {"id": said.id, "type": said.type, "keep": _milliseconds(keep), "to": to, **at, **read}


def _milliseconds(keep: float) -> int:
    return int(max(keep, MIN_KEEP) * 1000)


def _planned(planned: PlannedSend | None) -> bytes:
    if planned is None:
        return b""
    asked = planned.admission
    rate = {"product": asked.product, "limit": asked.limit, "requeued": asked.requeued}
    admission = {"event": asked.event_id, "ticket": asked.ticket, "blocks": asked.blocks, **rate}
    admission["max_wait"] = int(asked.max_wait * 1000)
    return orjson.dumps(
        {
            "awake": planned.awake,
            **_budget(planned),
            "fresh_until": -1 if planned.fresh_until is None else int(planned.fresh_until * 1000),
            "admission": admission,
        }
    )


def _budget(asked: "PlannedSend | InsteadOf") -> dict[str, int]:
    since = -1 if asked.since is None else int(asked.since * 1000)
    window = int(rate_limits.WINDOW * 1000)
    return {"since": since, "segments": asked.segments, "limit": asked.limit, "window": window}


def _state(answer: Sequence[Any], encryption: Sealer) -> RecipientState:
    *texts, preflight = answer
    status, reason, right, held, effect = (each.decode() for each in texts)
    found = _preflight(preflight, encryption) if preflight else None
    since = int(held) / 1000 if held else None
    return RecipientState(status, reason, right, since, effect == "sent", effect == "perhaps", found)


def _preflight(answer: Sequence[Any], encryption: Sealer) -> Preflight:
    known, out, missing, room, looked_ahead = answer
    admission = rate_limits.parse_admission(looked_ahead, encryption) if looked_ahead else None
    return Preflight(
        known=known == 1,
        opted_out=out == 1,
        consent_missing=tuple(each.decode() for each in missing),
        room=rate_limits.parse_room(room) if room else None,
        admission=admission,
        clear=isinstance(admission, rate_limits.Granted) and admission.calm,
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as Telnyx has just shown it: its state, and whom a STOP blocks. The intent's script keeps both."""

    state: MessageStatus
    consent: tuple[ConsentChange, ...]


@dataclass(frozen=True, slots=True)
class InsteadOf:
    """The message in whose place something is sent. `since` is when it was sent (seconds since 1970).

    `segments` count against the `limit` of an hour, and the state of the message is kept for `keep` seconds. `shown` is
    what Telnyx shows of it. `carrier` is the recipient's, where it is known. `against` is a reason known before.
    Then nothing is sent, and a message that was perhaps sent is looked up.
    """

    message_id: str
    since: float | None
    segments: int
    limit: int
    keep: float
    shown: Shown | None = None
    carrier: str | None = None
    against: str | None = None


@dataclass(frozen=True, slots=True)
class SendConditions:
    """The conditions on the recipients of a send when its intent is written: numbers, and ids of WhatsApp users.

    A reply counts against `replies_per_hour`. `regions` are those that it is noted to go to.
    """

    recipients: tuple[str, ...]
    instead_of: InsteadOf | None = None
    replies_per_hour: int | None = None
    regions: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"SendConditions(instead_of={self.instead_of!r}, replies_per_hour={self.replies_per_hour})"


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """The reason why no intent was written. `about` names the event that holds the right, or the missing keys."""

    reason: str
    about: tuple[str, ...] = ()


def conditions_argument(conditions: SendConditions | None, encryption: Sealer, *, only_asks: bool) -> bytes:
    """Return the conditions as the script reads them. With `only_asks` it takes neither the right nor the budget."""
    if conditions is None:
        return b""
    instead_of = conditions.instead_of
    written: dict[str, Any] = {
        "keys": encryption.names,
        "recipients": [encryption.forms(name) for name in filter(None, map(consent_name, conditions.recipients))],
        "only_asks": only_asks,
        "regions": conditions.regions,
    }
    if conditions.replies_per_hour is not None:
        written["reply"] = {"limit": conditions.replies_per_hour, "window": int(rate_limits.WINDOW * 1000)}
    if instead_of is not None:
        keep = _milliseconds(instead_of.keep)
        written["message"] = {"id": instead_of.message_id, **_budget(instead_of), "keep": keep}
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
