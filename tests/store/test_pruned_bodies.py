"""Bodies of ended events go after their time, once each."""

from service.store.inbox.accept import NewEvent, accept, find
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, HandlerResults, claim, finish
from service.store.inbox.maintenance import prune_bodies
from service.store.store import Store
from tests.stack import Stack


def test_a_body_goes_after_its_time_and_is_not_looked_at_again(stack: Stack) -> None:
    async def prune(store: Store) -> list[int]:
        await accept(store, [NewEvent(each, "test.x", b"{}", "webhook") for each in ("ended", "open")])
        leases = (await claim(store, ClaimRequest("w", 1, 60, 10, {"one": ["*"]}))).leases
        done = HandlerRecord("done", attempts=1, reason="not_due")
        [ended] = [each for each in leases if each.record.id == "ended"]
        assert await finish(store, [HandlerResults.of(ended, {"one": done}, release=True)]) == ["done"]
        return [await prune_bodies(store, older_than=each) for each in (60, -1, -1)]

    assert stack.ask(prune) == [0, 1, 0]
    ended, still_open = (stack.ask(lambda store: find(store, each)) for each in ("ended", "open"))
    assert ended is not None
    assert still_open is not None
    assert (ended.body, still_open.body) == (None, b"{}")
    assert (ended.state, ended.handlers["one"].reason) == ("done", "not_due")
