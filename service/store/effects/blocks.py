"""Blocks: work is parked for a reason outside the events, and released when that is gone.

The record of an event's handler names its block (`blocked_by`), and `settle` keeps the sets of parked events in step.
So events are parked and released without being claimed, however many there are.
"""

from dataclasses import dataclass

from service.security.encryption import Sealer
from service.store.effects.rate_limits import detail_place
from service.store.inbox.records import whole_number
from service.store.store import Store

STEP = 50
"""Events that one script may release: a few milliseconds in which the server does nothing else."""
MOST_DUE = 5000
"""Due events above which none is released: new events would have to wait for all of them."""

OUTAGE = "outage"
PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Block:
    """A reason outside the events for which work is parked, such as `credentials` or `permission:/messages`.

    `since` is milliseconds since 1970. `detail` is the answer of Telnyx, with numbers masked. `advice` is for a person.
    `parked` counts the events that it holds. A `held` one was opened by a reading of the API.
    """

    name: str
    since: int
    detail: str
    advice: str
    parked: int = 0
    held: bool = False

    @property
    def kind(self) -> str:
        """The kind of the block, without its subject."""
        return kind_of(self.name)

    @property
    def is_of_account(self) -> bool:
        """Whether a person has to act at Telnyx, or on our configuration."""
        return self.kind not in (OUTAGE, PAUSED)


def kind_of(name: str) -> str:
    """Return the kind of the block with this name."""
    return name.partition(":")[0]


async def open_blocks(store: Store) -> list[Block]:
    """Return the open blocks, the oldest first."""
    return sorted_blocks(store, await store.run("blocks"))


def sorted_blocks(store: Store, described: list[list[bytes]]) -> list[Block]:
    """Return the blocks that `describe_blocks` describes, the oldest first."""
    return sorted((_block(each, store.encryption) for each in described), key=lambda block: block.since)


async def probe(store: Store, *, at_once: bool = False) -> int:
    """Make one event due of each block that is to be probed now (`at_once`: of each). Return how many."""
    return int(await store.run("blocks_probe", int(at_once)))


async def release(store: Store) -> int:
    """Release some events that lifted blocks held. Return how many: 0 where none is left or enough are due."""
    return int(await store.run("blocks_release", STEP, MOST_DUE))


async def hold(store: Store, name: str, *, detail: str, advice: str, interval: float) -> bool:
    """Open a block that a reading of the API says to be there, probed every `interval` seconds.

    Return whether it was not open. No answer of Telnyx lifts it: `lift` does.
    """
    sealed = store.encryption.seal_text(detail, detail_place(name))
    return bool(await store.run("blocks_hold", name, sealed, advice, int(interval * 1000)))


async def lift(store: Store, name: str) -> int | None:
    """Lift a block. Return how many events it held, None where it was not open."""
    held = int(await store.run("blocks_lift", name, STEP))
    return None if held < 0 else held


def _block(answer: list[bytes], encryption: Sealer) -> Block:
    name, parked, *flat = answer
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    return Block(
        name=name.decode(),
        since=whole_number(fields.get(b"since")) or 0,
        detail=encryption.open_text(fields.get(b"detail", b"").decode(errors="replace"), detail_place(name.decode())),
        advice=fields.get(b"advice", b"").decode(errors="replace"),
        parked=int(parked),
        held=fields.get(b"held") == b"1",
    )


ALL = "*"
"""In place of a handler's name: every handler."""
DETAIL = "paused by a person"


def pause_block(handler: str) -> str:
    """Return the name of the block that holds the events of a paused handler."""
    return PAUSED if handler == ALL else f"{PAUSED}:{handler}"


async def pause(store: Store, handler: str) -> bool:
    """Pause a handler. Return whether it ran before."""
    advice = "ringback resume" if handler == ALL else f"ringback resume {handler}"
    return bool(await store.run("pause", pause_block(handler), handler, DETAIL, advice))


async def resume(store: Store, handler: str) -> int | None:
    """End a pause. Return how many events it held, None where there was none."""
    was_paused, held = await store.run("resume", pause_block(handler), handler, STEP)
    return int(held) if was_paused else None


async def paused(store: Store) -> set[str]:
    """Return the names of the paused handlers."""
    members: set[bytes] = await store.redis.smembers(store.keys.paused)  # type: ignore[misc]
    return {each.decode() for each in members}
