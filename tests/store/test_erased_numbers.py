"""What is open when its number is erased is erased once it has ended."""

from service.store.inbox.accept import NewEvent, accept, find
from service.store.inbox.erasure import erase, erase_ended
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, HandlerResults, claim, finish
from service.store.store import Store
from tests.stack import Stack
from tests.telnyx_events import fresh_number


def test_an_open_event_is_erased_after_its_end_and_counted_once(stack: Stack) -> None:
    number = fresh_number()

    async def steps(store: Store) -> list[int]:
        body = b'{"data":{"payload":{"to":"%b"}}}' % number.encode()
        await accept(store, [NewEvent("x", "test.x", body, "webhook")])
        as_written = f"{number[:2]} ({number[2:5]}) {number[5:8]}-{number[8:]}"
        assert (await erase(store, as_written)).still_open == ["x"]
        counts = [await erase_ended(store)]
        [lease] = (await claim(store, ClaimRequest("w", 1, 60, 10, {"one": ["*"]}))).leases
        await finish(store, [HandlerResults.of(lease, {"one": HandlerRecord("done")}, release=True)])
        return [*counts, await erase_ended(store), await erase_ended(store)]

    assert stack.ask(steps) == [0, 1, 0]
    record = stack.ask(lambda store: find(store, "x"))
    assert record is not None
    assert record.body is None
