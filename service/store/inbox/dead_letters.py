"""An operator's actions on ended events: retry, drop, replay, each in one atomic step.

An open event is never changed, so that no action disturbs a run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from service.events.event_types import fits
from service.store.effects.ledger import RESOLVED_ANSWER
from service.store.facts.message_states import DEFAULT_KEEP
from service.store.inbox.accept import summaries
from service.store.store import Store

STEP = 50
"""Events that one script may change: a few milliseconds in which the server does nothing else."""

OperatorVerdict = Literal["", "sent", "not_sent"]
Refusal = Literal[
    "not_dead",
    "open",
    "other",
    "gone",
    "no_body",
    "foreign",
    "imported",
    "cancelled",
    "in_doubt",
    "since",
    "damaged",
    "unsubscribed",
]
RetryVerdict = Literal["retried", "dropped", "replayed"] | Refusal
"""The first three: it was done. Else why it was not: see the scripts, and `replay`."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """The outcome for one event, and how many of its effects were forgotten."""

    verdict: RetryVerdict
    forgotten: int


_UNSUBSCRIBED = Replayed("unsubscribed", 0)


@dataclass(frozen=True, slots=True)
class Dropped:
    """The drop of an event: when (ms), and by which operator."""

    at: int
    by: str


@dataclass(frozen=True, slots=True)
class DeadCause:
    """Why events go dead: which handler, for what reason, and the id of one of them."""

    handler: str
    reason: str
    event_id: str


async def retry(
    store: Store,
    ids: Sequence[str],
    *,
    by: str,
    word: OperatorVerdict = "",
    handler: str | None = None,
    reason: str | None = None,
    trusted: bool = False,
    before: int | None = None,
) -> list[RetryVerdict]:
    """Run the dead handlers of dead events again, with attempts counted anew, if they have this name and reason.

    `by` is the operator. `word` settles their unresolved effects. `trusted` takes events too whose effects elsewhere
    are not known here. Events that ended after `before` (ms) stay unchanged.
    """
    args = (by, word, RESOLVED_ANSWER, handler or "", reason or "", int(trusted), "" if before is None else before)
    return [verdict.decode() for verdict in await store.run("dead_retry", *args, *ids)]


async def drop(
    store: Store,
    ids: Sequence[str],
    *,
    by: str,
    handler: str | None = None,
    reason: str | None = None,
    keep_ids: float = DEFAULT_KEEP,
    before: int | None = None,
) -> list[RetryVerdict]:
    """Forget dead events for good. Their ids stay for `keep_ids` seconds, so that healing does not raise them again.

    `by` is the operator. Events that ended after `before` (ms) stay.
    """
    args = (by, handler or "", reason or "", int(keep_ids * 1000), "" if before is None else before)
    answers = await store.run("dead_drop", *args, *ids)
    return [verdict.decode() for verdict in answers]


async def replay(
    store: Store,
    ids: Sequence[str],
    *,
    by: str,
    handler: str | None = None,
    types: Sequence[str] | None = None,
    again: bool = False,
    trusted: bool = False,
    act: bool = True,
    before: int | None = None,
) -> list[Replayed]:
    """Process ended events once more, with all handlers or with one. `again` forgets that one's effects.

    `by` is the operator. `types` (patterns) are those of the one handler. Events of any other type stay unchanged, and
    so do those that ended after `before` (ms). Without `act` nothing is changed, and the answer says what would be.
    """
    others = set() if types is None else await _of_other_types(store, ids, types)
    taken = [each for each in ids if each not in others]
    args = (by, handler or "", int(again), int(trusted), int(act), "" if before is None else before)
    answers = iter(await store.run("replay", *args, *taken) if taken else ())
    return [_UNSUBSCRIBED if each in others else _replayed(*next(answers)) for each in ids]


def _replayed(verdict: bytes, forgotten: int) -> Replayed:
    return Replayed(verdict.decode(), forgotten)  # type: ignore[arg-type]


async def _of_other_types(store: Store, ids: Sequence[str], types: Sequence[str]) -> set[str]:
    """Return those of these events whose type fits no pattern."""
    return {
        each.id
        for each in await summaries(store, ids)
        if "type" not in each.damaged and not any(fits(pattern, each.type) for pattern in types)
    }


async def read_drop(store: Store, event_id: str) -> Dropped | None:
    """Return who dropped an event. Return None where that is not known, as for one without an id of its own."""
    stored: bytes = await store.redis.get(store.keys.dropped(event_id)) or b""
    at, _, by = stored.decode(errors="replace").partition(" ")
    return Dropped(int(at), by) if at.isdecimal() and by else None


async def new_causes(store: Store, *, remember: float) -> tuple[int, list[DeadCause]]:
    """Return the causes of death since the last call, each once in `remember` seconds for all callers.

    Also answers how many events were looked at: at most `STEP`.
    """
    looked_at, *flat = await store.run("dead_causes", STEP, int(remember * 1000))
    told = [each.decode() for each in flat]
    return looked_at, [DeadCause(*each) for each in zip(told[::3], told[1::3], told[2::3], strict=True)]


async def quarantine(store: Store, job_id: str | bytes, reason: str, error: str) -> bool:
    """Move a job from the queue to a dead event. Return False if it has left the queue meanwhile."""
    name = job_id if isinstance(job_id, str) else job_id.decode(errors="backslashreplace")
    return bool(await store.run("quarantine", job_id, reason, error, name))
