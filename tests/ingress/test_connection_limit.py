"""Who goes where there are too many connections: never one whose request is answered, nor the newest."""

from dataclasses import dataclass, field

from service.ingress.connection_limit import ConnectionLimit, Waiting


@dataclass(eq=False)
class Connection:
    name: str
    evicted: list[str] = field(default_factory=list)

    def evict(self) -> None:
        self.evicted.append(self.name)


def filled(*kinds: Waiting) -> tuple[ConnectionLimit, list[str]]:
    """A limit that is reached, by connections `0`, `1` and so on of these kinds, and who is evicted."""
    limit, evicted = ConnectionLimit(len(kinds)), list[str]()
    for number, kind in enumerate(kinds):
        connection = Connection(str(number), evicted)
        limit.admit(connection)
        limit.note(connection, kind)
    return limit, evicted


def test_the_one_that_waits_longest_for_its_client_goes_first() -> None:
    limit, evicted = filled(Waiting.FOR_US, Waiting.FOR_CLIENT, Waiting.FOR_CLIENT)
    for name in "abc":
        limit.admit(Connection(name, evicted))
    assert evicted == ["1", "2", "a"]


def test_one_whose_answer_is_not_read_waits_for_its_client() -> None:
    limit, evicted = ConnectionLimit(2), list[str]()
    unread, other = Connection("unread", evicted), Connection("other", evicted)
    for each in (unread, other):
        limit.admit(each)
        limit.note(each, Waiting.FOR_US)
    limit.note(unread, Waiting.FOR_CLIENT)
    limit.admit(Connection("new", evicted))
    assert evicted == ["unread"]


def test_requests_that_are_answered_stay() -> None:
    limit, evicted = filled(Waiting.FOR_US, Waiting.FOR_US)
    limit.admit(Connection("new", evicted))
    assert evicted == ["new"]


def test_whoever_was_forgotten_is_neither_counted_nor_evicted() -> None:
    limit, evicted = ConnectionLimit(1), list[str]()
    gone = Connection("gone", evicted)
    limit.admit(gone)
    limit.forget(gone)
    limit.note(gone, Waiting.FOR_US)
    limit.admit(Connection("new", evicted))
    assert evicted == []
