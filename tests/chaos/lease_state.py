"""What the model of lease and ledger knows: its rules, its bounds, and its state, which keeps the guarantees or not."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

LEASE = 2
"""Ticks of the clock."""
SUSPECT, POISON = 2, 3
"""Lapses from which an event runs alone, and from which it is dead."""
Phase = Literal["idle", "claimed", "known", "begun", "sent", "answered", "unanswered", "refused"]


@dataclass(frozen=True)
class Rules:
    """What holds. A test breaks each, to see that the model notices."""

    finish_asks_lease: bool = True
    resend_keeps_key: bool = True
    unkeyed_is_resent: bool = False
    intent_comes_first: bool = True
    begin_asks_consent: bool = True
    claim_moves_in_queue: bool = True
    lapses_count: bool = True
    announced_is_spared: bool = True


@dataclass(frozen=True)
class Bounds:
    """How far the model goes. With `poison`, the handler brings its worker down. Unkeyed calls may not be repeated.

    `drains` says how many workers announce their stop while they run the event, as at SIGTERM.
    """

    ticks: int = 3
    crashes: int = 1
    claims: int = 3
    keyed: bool = True
    poison: bool = False
    stops: bool = True
    drains: int = 0


class Worker(NamedTuple):
    """One of the two. After a crash another one takes its place, under a new name."""

    life: int = 0
    number: int = 0
    phase: Phase = "idle"
    version: int = 0
    """The version of the ledger's entry that it has seen."""
    unconfirmed: int = 0


class State(NamedTuple):
    """All that Redis, the workers and Telnyx know, and what has happened."""

    clock: int = 0
    event: Literal["", "open", "done", "dead"] = ""
    due: int | None = None
    lease: str = ""
    lease_until: int = 0
    lapses: int = 0
    alone: bool = False
    counted: frozenset[str] = frozenset()
    """Tokens whose lapses were counted, or spared."""
    lapsed: frozenset[str] = frozenset()
    """Workers whose lapses were counted, and which have not shown up since."""
    vanished: int = 0
    """Leases that lapsed without an announced stop, as far as they matter."""
    draining: frozenset[str] = frozenset()
    """Workers that have announced their stop."""
    entry: Literal["", "started", "done"] = ""
    version: int = 0
    unconfirmed: int = 0
    run: str = ""
    is_stopped: bool = False
    workers: tuple[Worker, Worker] = (Worker(), Worker())
    wire: frozenset[tuple[str, int]] = frozenset()
    """Requests under way: the token of their run, and the number of their key."""
    keys: frozenset[int] = frozenset()
    """Keys that Telnyx knows."""
    effects: int = 0
    ends: int = 0
    crashes: int = 0
    claims: int = 0
    late_intent: bool = False


class Step(NamedTuple):
    """A step: of which worker (-1: of nobody), and the script's answer."""

    name: str
    worker: int
    answer: str
    token: str = ""


def name_of(worker: int, state: State) -> str:
    """Return a worker's name, new after each crash."""
    return f"{worker}-{state.workers[worker].life}"


def token_of(worker: int, state: State) -> str:
    """Return the token of a worker's latest claim."""
    return f"{name_of(worker, state)}:{state.workers[worker].number}"


def is_leased(state: State, token: str) -> bool:
    """Return whether this token holds the event."""
    return state.lease == token and state.lease_until > state.clock


def broken_guarantee(state: State, bounds: Bounds) -> str | None:
    """Return the guarantee that a state breaks, None where it breaks none."""
    if state.ends > 1:
        return "G3"
    if state.effects > 1:
        return "G5"
    if state.event == "open" and (state.due is None or state.due > max(state.clock, state.lease_until)):
        return "G6"
    if state.late_intent:
        return "G9"
    if state.event == "dead" and state.vanished < POISON:
        return "G14"
    if bounds.poison and (state.crashes > POISON or (state.event == "dead") != (state.ends == 1)):
        return "G14"
    return None
