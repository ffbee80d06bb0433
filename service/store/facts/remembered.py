"""Facts about phones, the account, registrations and receivers, remembered so that nobody asks again."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from service import clock
from service.store.inbox.accept import NewEvent, pack_event
from service.store.later_fields import known_fields
from service.store.scripts import Argument
from service.store.store import Store

HOUR = 3600
SUBJECT_BYTES = 16
"""Bytes of the digest that stands for a number among the subjects of snapshots."""
OF_NUMBERS = ("number_assignment",)
"""The kinds of snapshots whose subjects are digests of numbers."""
REMEMBERED = 31 * 86400.0
"""Seconds for which a result stands."""
TEXT_ONLY = "GENERIC_RCS_FEATURE"


@dataclass(frozen=True, slots=True)
class Capability:
    """A phone's capability for the messages of one agent. Without features it has no RCS there.

    Source: knowledge base, RCS capabilities and deeplinks: `features` is null without RCS, `GENERIC_RCS_FEATURE` alone
    where the phone takes text only.
    """

    features: tuple[str, ...]

    @property
    def capable(self) -> bool:
        """Whether an RCS message can reach the phone at all."""
        return bool(self.features)

    def has(self, features: Collection[str]) -> bool:
        """Return whether an RCS message can reach the phone, and the phone has all of these features.

        Every phone that it can reach takes texts, but Telnyx names that feature only where there is no other.
        """
        return self.capable and set(features) - {TEXT_ONLY} <= set(self.features)


CARRIER = "carrier of the phone"
"""The field of the carrier that an earlier message has named. `lib/message_state.lua` writes it."""
_UNREGISTERED = {"launched": True, "since": 0.0, "lost_at": 0.0}


def test_device_field(agent: str) -> str:
    """Return the field that says that a phone tries an agent before its launch."""
    return f"test device of {agent}"


async def recall(
    store: Store, agent: str, numbers: Iterable[str], *, name_of: Callable[[str], str] = str
) -> dict[str, Capability]:
    """Return the remembered capabilities of these numbers. Unknown ones are left out.

    An agent under registration reaches only its test devices, and phones of carriers that have approved it. Before the
    first approval, the others count as known to be without RCS. Then so do those whose carrier is known and has not
    approved. `name_of` gives a carrier the name that it has in approvals.

    A refusal counts until approvals change, and another answer until one is lost.
    """
    asked = [(number, form) for number in dict.fromkeys(numbers) for form in store.encryption.forms(number)]
    fields = [agent, test_device_field(agent), CARRIER]
    async with store.redis.pipeline(transaction=False) as pipeline:
        pipeline.hget(store.keys.rcs_agents, agent)
        for _, form in asked:
            pipeline.hmget(store.keys.rcs(form), fields)
        standing, *answers = await pipeline.execute()
    registered: Mapping[str, Any] = orjson.loads(standing) if standing else _UNREGISTERED
    oldest, known, testing = clock.now() - REMEMBERED, dict[str, Any](), set[str]()
    barred = set[str]() if registered["launched"] else {number for number, _ in asked}
    for (number, _), (answer, tries, carrier) in zip(asked, answers, strict=True):
        # Of several, that under the form of today is the latest: it comes first.
        if answer is not None and number not in known:
            known[number] = orjson.loads(answer)
        if tries is not None:
            testing.add(number)
        if carrier is not None and name_of(carrier.decode()) in registered.get("unapproved", ()):
            barred.add(number)
    unreached = dict.fromkeys(barred - testing, Capability(()))
    reached_after, refused_after = max(oldest, registered["lost_at"]), max(oldest, registered["since"])
    return {
        number: Capability(tuple(each["features"]))
        for number, each in known.items()
        if each["at"] > (reached_after if each["features"] else refused_after)
    } | unreached


async def remember(store: Store, agent: str, found: Mapping[str, Capability]) -> None:
    """Remember the capabilities that Telnyx has just answered."""
    async with store.redis.pipeline(transaction=False) as pipeline:
        for number, capability in found.items():
            value = orjson.dumps({"features": capability.features, "at": clock.now()})
            form = store.encryption.hide(number)
            pipeline.hset(store.keys.rcs(form), agent, value.decode())
            # The key lasts as long as its youngest field, which bears its own time besides.
            pipeline.expire(store.keys.rcs(form), int(REMEMBERED))
        await pipeline.execute()


async def forget(store: Store, agent: str, number: str) -> None:
    """Delete the capability, so that it is asked for again."""
    async with store.redis.pipeline(transaction=False) as pipeline:
        for form in store.encryption.forms(number):
            pipeline.hdel(store.keys.rcs(form), agent)
        await pipeline.execute()


async def known_or_asked(store: Store, key: str, ask: Callable[[], Awaitable[frozenset[str]]]) -> frozenset[str]:
    """Return the set of texts under a key. Where nobody has asked for it within the hour, ask, and keep the answer.

    Raises whatever `ask` raises.
    """
    stored: bytes | None = await store.redis.get(key)
    if stored is not None:
        return frozenset(orjson.loads(stored))
    found = await ask()
    await store.redis.set(key, orjson.dumps(sorted(found)), ex=HOUR)
    return found


async def note_sent(store: Store, regions: Collection[str]) -> None:
    """Remember that we have sent to these regions."""
    if regions:
        await store.redis.zadd(store.keys.sent_regions, dict.fromkeys(regions, int(clock.now() * 1000)))


async def has_sent_to(store: Store, region: str, *, within: float) -> bool:
    """Return whether we have sent to a region within so many seconds."""
    at: float | None = await store.redis.zscore(store.keys.sent_regions, region)
    return at is not None and at / 1000 >= clock.now() - within


async def note_gone(store: Store, url: str) -> None:
    """Remember without an end that this receiver has answered 410."""
    await store.redis.set(store.keys.gone_receiver(url), b"1")


async def is_gone(store: Store, url: str) -> bool:
    """Return whether this receiver has answered 410."""
    return bool(await store.redis.exists(store.keys.gone_receiver(url)))


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe: when it was made (seconds since 1970), and whether Telnyx replayed its first answer."""

    at: float
    replayed: bool


async def remember_probe(store: Store, probe: Probe) -> None:
    """Keep the result of a probe, in place of the one before."""
    await store.redis.set(store.keys.idempotency_probe, orjson.dumps(asdict(probe)))


async def latest_probe(store: Store) -> Probe | None:
    """Return the last probe, or None where there was none."""
    kept: bytes | None = await store.redis.get(store.keys.idempotency_probe)
    return None if kept is None else Probe(**known_fields(Probe, kept))


async def snapshot(store: Store, kind: str, subject: str) -> bytes | None:
    """Return the last known state of a subject of this kind, or None where there is none."""
    stored: bytes | None = await store.redis.hget(store.keys.snapshot(kind), subject)  # type: ignore[misc]
    return stored


async def all_known(store: Store, kind: str) -> dict[str, bytes]:
    """Return the last known state of every subject of this kind."""
    stored: dict[bytes, bytes] = await store.redis.hgetall(store.keys.snapshot(kind))  # type: ignore[misc]
    return {subject.decode(): value for subject, value in stored.items()}


async def compare_and_set(
    store: Store, kind: str, subject: str, *, before: bytes | None, after: bytes, raised: Sequence[NewEvent] = ()
) -> bool:
    """Replace the state and raise events in one step. Return False and change nothing if it is no longer `before`.

    Raises:
        redis.exceptions.RedisError: it is not known whether it is stored. Look again, and decide anew.
    """
    args: list[Argument] = [kind, subject, before or b"", after]
    args += (pack_event(arrival, store.encryption) for arrival in raised)
    return int(await store.run("compare_and_set", *args)) == 1


async def forget_snapshot(store: Store, kind: str, subject: str) -> None:
    """Delete the state of a subject."""
    await store.redis.hdel(store.keys.snapshot(kind), subject)  # type: ignore[misc]


async def forget_number(store: Store, number: str) -> int:
    """Delete the states of a number, whose subjects are digests of it. Return how many there were."""
    subjects = [each.hex() for each in store.encryption.briefs(number.encode(), SUBJECT_BYTES)]
    async with store.redis.pipeline(transaction=False) as pipeline:
        for kind in OF_NUMBERS:
            pipeline.hdel(store.keys.snapshot(kind), *subjects)
        return sum(await pipeline.execute())


async def acquire_throttle(store: Store, name: str, holder: str, *, seconds: float) -> bool:
    """Return whether this holder has the throttle. The first one to ask has it for `seconds`."""
    had: bytes | None = await store.redis.set(
        store.keys.throttle(name), holder, nx=True, get=True, px=int(seconds * 1000)
    )
    return had is None or had == holder.encode()
