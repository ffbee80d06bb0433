"""A claim keeps the server from others for a few milliseconds only, and leaves the rest to the next one."""

from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.leases import ClaimRequest, claim
from service.store.store import Store
from tests.stack import Stack

LARGE = b'{"data":{"payload":"' + b"x" * 400_000 + b'"}}'


def test_a_claim_ends_at_a_mebibyte_of_bodies_and_the_next_ones_take_the_rest(stack: Stack) -> None:
    async def taken(store: Store) -> list[int]:
        await accept(store, [NewEvent(f"large-{number}", "test.x", LARGE, "webhook") for number in range(7)])
        routes = {"one": ["*"]}
        claims = [await claim(store, ClaimRequest("w", number, 60, 50, routes)) for number in range(1, 5)]
        return [len(each.leases) for each in claims]

    assert stack.ask(taken) == [3, 3, 1, 0]
