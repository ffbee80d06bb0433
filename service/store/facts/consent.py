"""The consent of numbers."""

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from typing import Any, Self

import orjson

from service.events.consent import AHEAD, ConsentChange
from service.events.phone_number import canonical_number
from service.security.encryption import Form, Sealer, UnopenedText, place_of
from service.security.masking import is_user_id
from service.store.place import Place, place_at, rank_at
from service.store.store import Store, in_pages

_USER = "whatsapp:"
"""The beginning of the name of a WhatsApp user: an id is no number, and never taken for one."""
STEP = 500
"""Words that one script may take: a millisecond or two in which the server does nothing else."""


@dataclass(frozen=True, slots=True)
class Opposed:
    """The latest opt-out and opt-in of one kind (seconds since 1970), and how the opt-out came to be known."""

    out_at: float | None = None
    in_at: float | None = None
    source: str = "-"

    @property
    def opted_out(self) -> bool:
        """Whether the latest word was an opt-out. Of two at the same time the opt-out counts."""
        return self.out_at is not None and (self.in_at is None or self.out_at >= self.in_at)

    def merged(self, other: Self) -> Self:
        """Return what both say: of each kind of word the latest."""
        latest = self if (self.out_at or 0) >= (other.out_at or 0) else other
        backs = [each.in_at for each in (self, other) if each.in_at is not None]
        return replace(latest, in_at=max(backs, default=None))


@dataclass(frozen=True, slots=True)
class Consent:
    """The consent of a number: `said` by its owner on any channel, or `put` there by an operator.

    A START lifts what the number said. Only a person lifts what an operator or an import put there.
    """

    said: Opposed = Opposed()
    put: Opposed = Opposed()

    @classmethod
    def parse(cls, stored: bytes | None) -> Self:
        """Read what the scripts have written."""
        if stored is None:
            return cls()
        try:
            out, back, source, put_out, put_back, put_source = stored.decode().split(" ")[:6]
            said = Opposed(_seconds(out), _seconds(back), source)
            return cls(said, Opposed(_seconds(put_out), _seconds(put_back), put_source))
        except ValueError:
            # The scripts take it so too: a lost STOP would be worse than a message that is not sent.
            return cls(Opposed(0.001, None, "unreadable"))

    def merged(self, other: Self) -> Self:
        """Return what both say of one number: of each kind of word the latest."""
        return replace(self, said=self.said.merged(other.said), put=self.put.merged(other.put))

    @property
    def opted_out(self) -> bool:
        """Whether the number must not be written to."""
        return self.in_force is not None

    @property
    def in_force(self) -> Opposed | None:
        """The opt-out that holds, the latest of two, or None where there is none."""
        holding = [each for each in (self.said, self.put) if each.opted_out]
        return max(holding, key=lambda each: each.out_at or 0, default=None)

    def opt_in_time(self, now: float) -> float:
        """Return a time for an opt-in: `now`, or right after the latest opt-out, as Telnyx's clock may be ahead.

        An impossible opt-out gives way to any opt-in.
        """
        outs = (each.out_at for each in (self.said, self.put) if each.out_at is not None)
        return max([now, *(at + 0.001 for at in outs if at <= now + AHEAD)])

    def opted_out_since(self, moment: float) -> bool:
        """Return whether the number is opted out, or was at some time since `moment`."""
        # Times are kept in whole milliseconds, so that a STOP within the same one counts.
        since = math.floor(moment * 1000) / 1000
        return self.opted_out or any(each.out_at is not None and each.out_at >= since for each in (self.said, self.put))


class KeyMissing(Exception):
    """Numbers are hidden under a key that is not here, so nobody can tell who must not be written to."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(
            f"numbers are kept under an encryption key ({', '.join(keys)}) that RINGBACK_ENCRYPTION_KEY does not hold:"
            " add it, after a comma"
        )


@dataclass(frozen=True, slots=True)
class OptOut:
    """A number that must not be written to. An unreadable number is replaced by its stored form.

    `form` is the latter's stored form. `readable` says that the number is one, `hidden` that it is a keyed hash.
    """

    number: str
    since: float
    source: str
    form: bytes = b""
    readable: bool = True
    hidden: bool = False

    def __repr__(self) -> str:
        return f"OptOut(since={self.since!r}, source={self.source!r})"


def milliseconds(at: float) -> int:
    """Return a time as the scripts store it. Equal times give equal numbers."""
    return round(at * 1000)


async def record_consent(store: Store, words: Sequence[ConsentChange], *, now: float) -> int:
    """Record the words of numbers, and return how many changed the consent. Other senders are passed over.

    A time from the future counts as now.

    Raises:
        redis.exceptions.RedisError: it is not known what was kept. Doing it again is harmless.
    """
    changed = 0
    for start in range(0, len(words), STEP):
        heard = encode_words(words[start : start + STEP], store.encryption, now=now)
        changed += await store.run("record_consent", orjson.dumps(heard)) if heard else 0
    return changed


def encode_words(words: Sequence[ConsentChange], encryption: Sealer, *, now: float | None = None) -> list[list[Any]]:
    """Return words as the scripts take them: a list of [forms, sealed number, said, at (ms), source].

    The forms are those of the number, that of today first. Without `now`, a word without a time gets -1.
    The script then takes the time of acceptance.
    """
    encoded = []
    for word in words:
        plain = consent_name(word.number)
        at = now if word.at is None else word.at
        if plain is not None:
            sealed = _sealed(plain, encryption)
            # Before 1970 is no time of its own, as -1 stands for none.
            time = -1 if at is None else max(0, milliseconds(at))
            encoded.append([encryption.forms(plain), sealed, word.said, time, word.source])
    return encoded


def number_forms(number: str, encryption: Sealer) -> tuple[str, str]:
    """Return a number's forms as JSON, and the sealed number, which is empty without encryption."""
    forms = orjson.dumps(encryption.forms(number)).decode()
    return forms, _sealed(number, encryption)


async def consent_of(store: Store, number: str) -> Consent:
    """Return the consent of a number or a WhatsApp user under any of our keys. Other senders have none.

    Raises:
        KeyMissing: it may have said something else under a key that is not here.
    """
    plain = consent_name(number)
    if plain is None:
        return Consent()
    async with store.redis.pipeline(transaction=False) as pipeline:
        pipeline.hmget(store.keys.optouts, [*store.encryption.forms(plain)])
        pipeline.hkeys(store.keys.optout_keys)
        stored, hidden_under = await pipeline.execute()
    missing = [each.decode() for each in hidden_under if each.decode() not in store.encryption.names]
    if missing:
        raise KeyMissing(missing)
    return reduce(Consent.merged, map(Consent.parse, stored))


async def opted_out(store: Store, number: str, since: datetime | None = None) -> bool:
    """Return whether the latest change was an opt-out, or with `since` any change from then on."""
    consent = await consent_of(store, number)
    return consent.opted_out if since is None else consent.opted_out_since(since.timestamp())


async def opt_outs(store: Store) -> AsyncIterator[OptOut]:
    """Yield every number that is opted out, in no order. WhatsApp users are none."""
    seen: set[tuple[str, bool]] = set()
    async for form, stored in store.redis.hscan_iter(store.keys.optouts, count=STEP):
        found = _opt_out(form, stored, store.encryption)
        # A scan may bring a number twice while the hash grows.
        if found is not None and (found.number, found.readable) not in seen:
            seen.add((found.number, found.readable))
            yield found


@dataclass(frozen=True, slots=True)
class OptOutPage:
    """Some opt-outs, the latest first, and the place where the next begin, None at the end. `number` counts all."""

    opt_outs: list[OptOut]
    next: Place | None
    number: int


async def opt_out_page(store: Store, *, limit: int, after: Place | None = None) -> OptOutPage:
    """Return up to `limit` opt-outs, the latest first. WhatsApp users count among them, and are left out."""
    redis, index = store.redis, store.keys.optout_times
    rank = await rank_at(redis, index, after)
    forms = await redis.zrange(index, rank, rank + limit - 1, desc=True)
    number: int = await redis.zcard(index)
    stored = await redis.hmget(store.keys.optouts, forms) if forms else []  # type: ignore[misc]
    known = ((form, value) for form, value in zip(forms, stored, strict=True) if value is not None)
    found = [each for form, value in known if (each := _opt_out(form, value, store.encryption))]
    end = rank + len(forms)
    return OptOutPage(found, await place_at(redis, index, end) if end < number else None, number)


async def remove_opt_out(store: Store, opt_out: OptOut) -> None:
    """Remove an opt-out whose number cannot be read, with all data under its form."""
    await store.run("optout_remove", opt_out.form)


async def move_opt_outs(store: Store) -> int:
    """Store consent from before the first key under that key. Return how many numbers were moved.

    One whose number was erased, or is sealed under a key that is not here, stays where it is.
    """
    first = store.encryption.names[:1]
    counted: bytes | None = await store.redis.hget(store.keys.optout_keys, first[0]) if first else b"0"  # type: ignore[misc]
    if not first or await store.redis.hlen(store.keys.optouts) == int(counted or 0):  # type: ignore[misc]
        return 0
    moved = 0
    async for page in in_pages(store.redis.hscan_iter(store.keys.optouts, count=STEP), STEP):
        older = [(form, stored) for form, stored in page if _form(form).key != first[0]]
        numbers = [number for form, stored in older if (number := _number(form, stored, store.encryption)) is not None]
        parts = [part for number in numbers for part in number_forms(number, store.encryption)]
        moved += await store.run("optout_rewrite", 0, *parts) if parts else 0
    return moved


def consent_name(of: str) -> str | None:
    """Return the stored name of a number or of a WhatsApp user, None of others."""
    return _USER + of if is_user_id(of) else canonical_number(of)


def _number(form: bytes, stored: bytes, encryption: Sealer) -> str | None:
    """Return the number of an entry, None if it cannot be read or is no number."""
    read = _form(form)
    if read.key is None:
        return read.plain
    sealed = stored.decode(errors="replace").split(" ")[6:]
    number = encryption.open_text(sealed[0], _place(read)) if sealed else None
    return None if isinstance(number, UnopenedText) else number


def _opt_out(field: bytes, stored: bytes, encryption: Sealer) -> OptOut | None:
    """Return an entry of the list, or None where it does not opt a number out."""
    holds, number, form = Consent.parse(stored).in_force, _number(field, stored, encryption), _form(field)
    if holds is None or holds.out_at is None or (number or form).startswith(_USER):
        return None
    readable = bool(number)
    return OptOut(number or form, holds.out_at, holds.source, field, readable, not readable and form.key is not None)


def _form(field: bytes) -> Form:
    return Form(field.decode(errors="backslashreplace"))


def _sealed(number: str, encryption: Sealer) -> str:
    """Return the sealed number that stands beside its hidden form, or empty where it is not hidden."""
    return encryption.seal_text(number, _place(encryption.hide(number))) if encryption.active else ""


def _place(form: Form) -> bytes:
    return place_of("optout", form, "number")


def _seconds(milliseconds: str) -> float | None:
    return None if milliseconds == "-" else int(milliseconds) / 1000
