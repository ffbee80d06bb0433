"""The facts for forwarding: the original event, and the receivers that answered 410."""

from service.routing import Context
from service.store.facts import remembered
from service.store.inbox import accept
from service.store.inbox.records import EventRecord


async def find_event(ctx: Context, event_id: str) -> EventRecord | None:
    """Return an event with the raw body and the signature headers with which it came."""
    return await accept.find(ctx.services.store, event_id)


async def is_gone(ctx: Context, url: str) -> bool:
    """Return whether this URL wants nothing more."""
    return await remembered.is_gone(ctx.services.store, url)


async def note_gone(ctx: Context, url: str) -> None:
    """Remember, without an end, that this URL wants nothing more."""
    await remembered.note_gone(ctx.services.store, url)
