"""The workers' shared state of the way to Telnyx: rate limits, circuit breaker, and reports of answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import orjson

from service.security.encryption import Sealer, place_of
from service.store.store import Store


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """A call that wants to go, and the causes that concern it.

    `ticket` is the same however often it asks. A send counts against the `limit` a second of its `product`; `back` says
    that it was put off before, `unused` which slot it was given and let pass. It waits for at most `patience` seconds;
    as a probe it is thought lost after `probe_patience`.
    """

    ticket: str
    event_id: str
    causes: Sequence[str]
    product: str | None
    limit: float
    back: bool
    patience: float
    probe_patience: float
    unused: bytes = b""


@dataclass(frozen=True, slots=True)
class Granted:
    """It may go, in so many seconds, in this slot."""

    wait: float
    slot: bytes = field(default=b"", compare=False)


@dataclass(frozen=True, slots=True)
class Deferred:
    """It is to ask again in so many seconds, when its turn has come."""

    wait: float


@dataclass(frozen=True, slots=True)
class Blocked:
    """A cause holds it."""

    cause: str
    detail: str
    advice: str


@dataclass(frozen=True, slots=True)
class BlockSignal:
    """The signal of an answer for one cause: it `lifts` it, it `fails` for it, or it is `unclear`.

    One that fails opens the cause once `strikes` distinct events did `within` so many ms, and the cause is then probed
    after `interval`, doubled with each failure to at most `longest` ms. People are told again after `quiet` ms.
    """

    name: str
    word: Literal["lifts", "fails", "unclear"]
    detail: str = ""
    advice: str = ""
    interval: int = 0
    longest: int = 0
    quiet: int = 0
    strikes: int = 1
    within: int = 0


@dataclass(frozen=True, slots=True)
class CallReport:
    """The report of an answer: of causes, whether Telnyx is `alive` and, of a send, about the limits of its `product`.

    `good`: it was taken. `limited`: it was refused since there were too many; the next may go after `wait` ms. `limit`
    is what Telnyx allows a second, to be believed for `limit_lasts` ms.
    """

    causes: Sequence[BlockSignal]
    alive: bool
    product: str | None = None
    good: bool = False
    limited: bool = False
    wait: int | None = None
    limit: float | None = None
    limit_lasts: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    """Names of causes that were opened, if people are to be told of them, and of those that were lifted."""

    opened: Sequence[str]
    lifted: Sequence[str]


async def acquire(store: Store, asked: AdmissionRequest) -> Granted | Deferred | Blocked:
    """Whether a call may go, and when.

    Raises:
        redis.exceptions.RedisError: it is not known; asking again under the same ticket costs a slot at most.
    """
    answer = await store.run(
        "acquire",
        asked.ticket,
        asked.event_id,
        int(asked.patience * 1000),
        int(asked.probe_patience * 1000),
        asked.product or "",
        str(asked.limit),
        int(asked.back),
        asked.unused,
        *asked.causes,
    )
    return parse_admission(answer, store.encryption)


def detail_place(cause: str) -> bytes:
    """Return the place that the detail of a cause is sealed for."""
    return place_of("cause", cause, "detail")


def parse_admission(answer: Sequence[Any], encryption: Sealer) -> Granted | Deferred | Blocked:
    """Read the scripts' answer to a call that wants to go."""
    if answer[0] == b"blocked":
        cause, detail, advice = (each.decode() for each in answer[1:])
        return Blocked(cause, encryption.open_text(detail, detail_place(cause)), advice)
    return Granted(answer[1] / 1000, answer[2]) if answer[0] == b"granted" else Deferred(answer[1] / 1000)


async def report(store: Store, event_id: str, heard: CallReport) -> Changed:
    """Let all workers know what came back to a call of this event.

    Raises:
        redis.exceptions.RedisError: it is not known whether they do.
    """
    sealed = [
        replace(each, detail=store.encryption.seal_text(each.detail, detail_place(each.name))) for each in heard.causes
    ]
    told = {name: value for name in heard.__slots__ if (value := getattr(heard, name)) is not None}
    opened, lifted = await store.run("report", event_id, orjson.dumps({**told, "causes": sealed}))
    return Changed([each.decode() for each in opened], [each.decode() for each in lifted])


WINDOW = 3600.0


@dataclass(frozen=True, slots=True)
class Room:
    """Whether segments can be had; else in how many seconds some may be, and whether a person is to be told now."""

    granted: bool
    again_in: float
    tell: bool


async def room(store: Store, effect: str, *, segments: int, limit: int) -> Room:
    """Return whether an effect (by its name in the ledger) has segments or can have them, out of `limit` in any hour.

    Nothing is taken: the script that writes the intent takes them.
    """
    args = (effect, segments, limit, int(WINDOW * 1000))
    return parse_room(await store.run("sms_budget", *args))


def parse_room(answer: Sequence[int]) -> Room:
    """Read the scripts' answer."""
    granted, wait, tell = answer
    return Room(granted == 1, wait / 1000, tell == 1)
