"""Handlers that send, and what tests ask about parked work."""

from collections.abc import Awaitable, Callable
from typing import Any

from service import Context, Event, Router
from service.store.effects.blocks import Block, open_blocks
from service.store.inbox import accept
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, HandlerResults, claim, finish
from service.store.store import Store
from tests.stack import Stack
from tests.telnyx_events import envelope, fresh_number

PROFILE = "83d2343b-553f-4c5f-b8c8-fd27004f94bf"


def sender() -> Router:
    """A router whose handler sends one SMS to the number in the event."""
    router = Router()

    @router.on("test.send")
    async def send(event: Event, ctx: Context) -> None:
        to, profile = event.payload["number"], event.payload.get("profile", PROFILE)
        await ctx.telnyx.messages.send(to=to, from_="+13125550199", text="hello", messaging_profile_id=profile)

    return router


def sends(number: int, **payload: Any) -> list[dict[str, Any]]:
    """Events that each ask for one SMS."""
    return [envelope("test.send", {"number": fresh_number(), **payload}) for _ in range(number)]


def requests(stack: Stack) -> int:
    """Sends that have reached the local Telnyx, whatever it answered."""
    return sum(each.method == "POST" and each.path == "/messages" for each in stack.simulator.requests)


def open_by_name(stack: Stack) -> dict[str, Block]:
    """The open blocks by name."""
    return {block.name: block for block in stack.ask(open_blocks)}


def parking(number: int, record: HandlerRecord) -> Callable[[Store], Awaitable[list[str]]]:
    """Accept events and end the run of their handler `one` with this record; answers their states."""

    async def park(store: Store) -> list[str]:
        states: list[str] = []
        for start in range(0, number, 250):
            batch = range(start, min(start + 250, number))
            await accept.accept(store, [accept.NewEvent(f"e{n:06}", "test.one", b"{}", "webhook") for n in batch])
            request = ClaimRequest("parker", start + 1, lease=60, limit=250, routes={"one": ["test.one"]})
            leases = (await claim(store, request)).leases
            endings = [HandlerResults.of(lease, {"one": record}, release=True) for lease in leases]
            states += await finish(store, endings)
        return states

    return park
