"""The recipients of a message and what is known of each, for people who look. Nothing is merged or written."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from service.security.encryption import Form
from service.store.inbox.records import whole_number
from service.store.store import Store

_OF_RECIPIENT = ("status", "carrier", "right", "held", "sent", "double_delivery")


@dataclass(frozen=True, slots=True)
class KnownRecipient:
    """One recipient of a message. `number` is None where it stands under a hash, and nobody named it.

    `status` is the furthest one known. `right` is the event that may send in the message's place.
    Since `held_at` (ms) that waits. `sent_by` is the event that has sent it. `has_both` says that the message came too.
    """

    number: str | None
    status: str
    carrier: str
    right: str
    held_at: int | None
    sent_by: str
    has_both: bool

    def __repr__(self) -> str:
        return f"KnownRecipient(status={self.status!r})"


@dataclass(frozen=True, slots=True)
class KnownMessage:
    """The state of a message: the forms in which it went out (SMS, MMS, RCS), and its recipients."""

    types: tuple[str, ...]
    recipients: tuple[KnownRecipient, ...]


async def known_message(store: Store, message_id: str, named: Iterable[str]) -> KnownMessage:
    """Return the state of a message. Of hidden recipients only the `named` numbers can be shown.

    Raises:
        redis.exceptions.RedisError: Redis cannot be reached.
    """
    stored: dict[bytes, bytes] = await store.redis.hgetall(store.keys.message(message_id))  # type: ignore[misc]
    numbers: dict[str, str] = {form: number for number in named for form in store.encryption.forms(number)}
    types, told = [], defaultdict[str, dict[str, str]](dict)
    for name, value in sorted(stored.items()):
        kind, _, of = name.decode(errors="replace").partition(":")
        if kind == "type":
            types.append(of)
        if kind in _OF_RECIPIENT:
            told[of][kind] = value.decode(errors="replace")
    return KnownMessage(tuple(types), tuple(_recipient(form, numbers, each) for form, each in told.items()))


def _recipient(form: str, numbers: dict[str, str], told: dict[str, str]) -> KnownRecipient:
    return KnownRecipient(
        number=numbers.get(form) or Form(form).plain,
        status=told.get("status", ""),
        carrier=told.get("carrier", ""),
        right=told.get("right", ""),
        held_at=whole_number(told["held"].encode()) if "held" in told else None,
        sent_by=told.get("sent", ""),
        has_both="double_delivery" in told,
    )
