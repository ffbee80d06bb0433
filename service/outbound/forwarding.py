"""The facts for forwarding: the original event, and the receivers that answered 410."""

from collections.abc import Mapping

from service.routing import Context
from service.store.facts import remembered
from service.store.inbox import accept


async def original_of(ctx: Context, event_id: str) -> tuple[bytes, Mapping[str, str]] | None:
    """Return the raw body of an event and its signature headers, or None where the body has expired."""
    record = await accept.find(ctx.services.store, event_id)
    return None if record is None or record.body is None else (record.body, record.signature_headers or {})


async def is_gone(ctx: Context, url: str) -> bool:
    """Return whether this URL has answered 410."""
    return await remembered.is_gone(ctx.services.store, url)


async def note_gone(ctx: Context, url: str) -> None:
    """Remember for ever that this URL has answered 410."""
    await remembered.note_gone(ctx.services.store, url)
