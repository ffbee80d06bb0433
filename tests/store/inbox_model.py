"""A model of the inbox: what must be stored after any sequence of steps, told without Redis."""

from collections import Counter
from dataclasses import dataclass, field

from service.store.inbox.leases import Lease

NUMBER = "+13125550147"
NAMED = frozenset({"a", "b", "timed-a"})
"""Identities whose bodies name the number that is erased."""
SUBSCRIBED = {"test.one": ("one",), "test.two": ("one", "two"), "other.one": ()}
ROUTES = {"one": ["test.*"], "two": ["test.two"]}
MAX_LAPSES = 3


@dataclass
class Known:
    """One event that is remembered. `ended` holds the state of each handler that has ended."""

    type: str
    names_number: bool
    handlers: tuple[str, ...] | None = None
    ended: dict[str, str] = field(default_factory=dict)
    is_over: bool = False
    is_cancelled: bool = False
    is_imported: bool = False
    """Whether it ended elsewhere: its effects there are not known here."""
    has_body: bool = True
    is_pruned: bool = False
    lapses: int = 0
    """How often a lease of it lapsed, at most: a worker that returns takes some back."""
    effects: dict[str, str] = field(default_factory=dict)
    """The states of its effects by name."""

    @property
    def open_handlers(self) -> list[str]:
        """The handlers that have not ended."""
        return [name for name in self.handlers or () if name not in self.ended]

    @property
    def state(self) -> str:
        """The state that its handlers add up to, once nobody holds it."""
        if not self.is_over:
            return "open"
        if "dead" in self.ended.values():
            return "dead"
        return "done" if self.ended else "ignored"

    def run_again(self, names: list[str], *, fixed: bool) -> None:
        """Let handlers run once more. Not `fixed`: the next claim finds out which there are."""
        self.is_over = False
        self.ended = {name: state for name, state in self.ended.items() if name not in names}
        if not fixed:
            self.handlers = None


class Inbox:
    """All that is remembered, and who holds what.

    `token` is that of the latest lease of an event, `lapsed` names those whose time is over. `held` is what each worker
    believes to hold.
    """

    def __init__(self, workers: tuple[str, ...]) -> None:
        self.events: dict[str, Known] = {}
        self.token: dict[str, str] = {}
        self.lapsed: set[str] = set()
        self.held: dict[str, dict[str, Lease]] = {worker: {} for worker in workers}
        self.erasing: set[str] = set()
        self.dropped: set[str] = set()
        self.called_off: set[str] = set()

    def id_of(self, identity: str, event_type: str) -> str:
        """Return the id under which an event is recorded: a known id with another type is another event."""
        known = self.events.get(identity)
        return identity if known is None or known.type == event_type else f"{identity}~{event_type}"

    def arrive(self, identity: str, event_type: str, arrived_by: str) -> tuple[str, str]:
        """Accept an event. Return the answer and the id."""
        event_id = self.id_of(identity, event_type)
        if event_id in self.events:
            return "duplicate", event_id
        if arrived_by == "schedule" and event_id in self.called_off:
            return "cancelled", event_id
        self.events[event_id] = Known(event_type, identity in NAMED)
        return "accepted", event_id

    def bring(self, event_id: str, event_type: str, past: dict[str, str] | None) -> str:
        """Import an event with the ends of its handlers elsewhere, None for one that is to run. Return the answer."""
        if event_id in self.events:
            return "known"
        known = self.events[event_id] = Known(event_type, event_id in NAMED)
        if past is not None:
            known.handlers, known.ended, known.is_over, known.is_imported = tuple(past), past, True, True
        return "imported"

    def is_held(self, event_id: str) -> bool:
        """Return whether a lease of the event counts."""
        return event_id in self.token and event_id not in self.lapsed

    def take(self, worker: str, lease: Lease) -> None:
        """Let a worker have an event."""
        event_id = lease.record.id
        known = self.events[event_id]
        assert known.state == "open"
        assert not self.is_held(event_id), "two leases of one event"
        if event_id in self.lapsed:
            assert self.token[event_id].rpartition(":")[0] != worker, "a worker's own renewal decides about its lease"
            self.end_lapsed(event_id)
        known.handlers = SUBSCRIBED[known.type] if known.handlers is None else known.handlers
        assert tuple(lease.record.handlers) == known.handlers
        for name, record in lease.record.handlers.items():
            assert (record.state if record.ended else None) == known.ended.get(name)
        self.token[event_id] = lease.token
        self.held[worker][event_id] = lease

    def lapse(self, event_id: str) -> None:
        """End the time of a lease."""
        self.lapsed.add(event_id)

    def end_lapsed(self, event_id: str) -> None:
        """Count the lapse of a lease that another worker has found."""
        self.events[event_id].lapses += 1
        self.release(event_id)

    def release(self, event_id: str) -> None:
        """End a lease. Its event is over if no handler is left."""
        self.token.pop(event_id, None)
        self.lapsed.discard(event_id)
        known = self.events[event_id]
        known.is_over = known.handlers is not None and not known.open_handlers

    def kill(self, event_id: str) -> None:
        """End the handlers of an event during which workers vanished."""
        known = self.events[event_id]
        assert known.lapses >= MAX_LAPSES
        known.ended |= dict.fromkeys(known.open_handlers, "dead")
        known.is_over = True

    def finish(self, event_id: str, token: str, ended: dict[str, str], *, release: bool) -> str:
        """Record results. Return the answer."""
        if self.token.get(event_id) != token or event_id in self.lapsed:
            return "lost"
        known = self.events[event_id]
        known.ended |= {name: state for name, state in ended.items() if state in ("done", "dead")}
        if release:
            self.release(event_id)
        return known.state

    def delete(self, *states: str) -> int:
        """Delete the events of these states. Return how many."""
        gone = [each for each, known in self.events.items() if known.state in states]
        for each in gone:
            del self.events[each]
        return len(gone)

    def erase_ended(self) -> None:
        """Erase the bodies of events that were open when they were to be erased, and have ended."""
        for each in sorted(self.erasing):
            known = self.events.get(each)
            if known is None or known.state != "open":
                self.erasing.discard(each)
                self.erase(known)

    def erase(self, known: Known | None) -> None:
        """Take the body of an event away."""
        if known is not None:
            known.has_body = False

    def counts(self) -> Counter[str]:
        """Return how many events are in each state."""
        return Counter(known.state for known in self.events.values())
