"""The workers' shared state of the way to Telnyx: rate limits, circuit breaker, and reports of answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import orjson

from service.security.encryption import Sealer, place_of
from service.store.store import Store


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """A call that asks to go, and the names of the blocks that concern it.

    `ticket` is the same however often it asks. A send counts against the `limit` a second of its `product`. `requeued`
    says that it was deferred before, and `unused` is the slot that it was given and did not use. It waits for at most
    `max_wait` seconds. A probe counts as lost after `probe_timeout` seconds.
    """

    ticket: str
    event_id: str
    blocks: Sequence[str]
    product: str | None
    limit: float
    requeued: bool
    max_wait: float
    probe_timeout: float
    unused: bytes = b""


@dataclass(frozen=True, slots=True)
class Granted:
    """Permission to go in this slot, in `wait` seconds.

    `calm`: no block, no failure and no limit of Telnyx's is known. Then a success has nothing to report.
    """

    wait: float
    slot: bytes = field(default=b"", compare=False)
    calm: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Deferred:
    """A place in the line: ask again in `wait` seconds."""

    wait: float


@dataclass(frozen=True, slots=True)
class Blocked:
    """The open block that holds a call."""

    block: str
    detail: str
    advice: str


@dataclass(frozen=True, slots=True)
class BlockSignal:
    """The meaning of an answer for one block: it `lifts` it, it `fails` for it, or it is `unclear`.

    One that `stays` is open still if it is open, and is not opened.

    A failure opens the block once `strikes` distinct events failed `within` so many ms. The block is then probed
    after `interval` ms, doubled with each failure to at most `longest` ms. People are notified again after `quiet` ms.
    """

    name: str
    outcome: Literal["lifts", "fails", "stays", "unclear"]
    detail: str = ""
    advice: str = ""
    interval: int = 0
    longest: int = 0
    quiet: int = 0
    strikes: int = 1
    within: int = 0


@dataclass(frozen=True, slots=True)
class CallReport:
    """The report of an answer: signals for blocks, whether Telnyx is `alive`, and the limits of a send's `product`.

    `good`: it was accepted. `limited`: it was refused since there were too many. The next may go after `wait` ms,
    else after a pause that grows to `longest_pause` ms. `limit` is the number that Telnyx allows a second. It counts
    for `limit_lasts` ms.
    """

    signals: Sequence[BlockSignal]
    alive: bool
    product: str | None = None
    good: bool = False
    limited: bool = False
    wait: int | None = None
    limit: float | None = None
    limit_lasts: int = 0
    longest_pause: int = 0

    def is_news(self, limit: float) -> bool:
        """Return whether it has a failure, a pause, or a limit below this one of ours."""
        fails = any(each.outcome == "fails" for each in self.signals)
        return not self.alive or fails or self.limited or bool(self.wait) or (self.limit or limit) < limit


@dataclass(frozen=True, slots=True)
class Changed:
    """Names of the opened blocks that people are to be notified of, and of the lifted ones.

    The `kept` ones would have been lifted, unless a reading of the API held them.
    """

    opened: Sequence[str]
    lifted: Sequence[str]
    kept: Sequence[str] = ()


async def acquire(store: Store, asked: AdmissionRequest) -> Granted | Deferred | Blocked:
    """Return whether a call may go, and when.

    Raises:
        redis.exceptions.RedisError: it is not known. Asking again under the same ticket costs a slot at most.
    """
    times = (int(asked.max_wait * 1000), int(asked.probe_timeout * 1000))
    rate = (asked.product or "", str(asked.limit), int(asked.requeued), asked.unused)
    answer = await store.run("acquire", asked.ticket, asked.event_id, *times, *rate, *asked.blocks)
    return parse_admission(answer, store.encryption)


def detail_place(block: str) -> bytes:
    """Return the place that the detail of a block is sealed for."""
    return place_of("block", block, "detail")


def parse_admission(answer: Sequence[Any], encryption: Sealer) -> Granted | Deferred | Blocked:
    """Read the scripts' answer to a call that asks to go."""
    if answer[0] == b"blocked":
        block, detail, advice = (each.decode() for each in answer[1:])
        return Blocked(block, encryption.open_text(detail, detail_place(block)), advice)
    if answer[0] == b"granted":
        return Granted(answer[1] / 1000, answer[2], calm=answer[-1] == b"1")
    return Deferred(answer[1] / 1000)


async def report(store: Store, event_id: str, heard: CallReport) -> Changed:
    """Report the answer to a call of this event to all workers.

    Raises:
        redis.exceptions.RedisError: it is not known whether they do.
    """
    sealed = [
        replace(each, detail=store.encryption.seal_text(each.detail, detail_place(each.name))) for each in heard.signals
    ]
    told = {name: value for name in heard.__slots__ if (value := getattr(heard, name)) is not None}
    names = await store.run("report", event_id, orjson.dumps({**told, "signals": sealed}))
    return Changed(*([each.decode() for each in found] for found in names))


WINDOW = 3600.0


@dataclass(frozen=True, slots=True)
class Room:
    """Whether segments are free, else in how many seconds, and whether a person is to be notified now."""

    granted: bool
    again_in: float
    tell: bool


async def room(store: Store, effect: str, *, segments: int, limit: int) -> Room:
    """Return whether an effect, by its name in the ledger, has segments or can have them: `limit` in any hour.

    Nothing is taken: the script that writes the intent takes them.
    """
    args = (effect, segments, limit, int(WINDOW * 1000))
    return parse_room(await store.run("sms_budget", *args))


def parse_room(answer: Sequence[int]) -> Room:
    """Read the scripts' answer."""
    granted, wait, tell = answer
    return Room(granted == 1, wait / 1000, tell == 1)
