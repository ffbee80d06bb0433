"""The facts for forwarding: the original event, and the receivers that answered 410."""

import re
from collections.abc import Mapping

from service.routing import Context
from service.store.facts import remembered
from service.store.inbox import accept

_PARENT, _STATE = re.compile(r"[0-9a-f-]{55,60}"), re.compile(r"[!-~]+( [!-~]+)*")
"""The characters of a header. Redis may return others."""


async def original_of(ctx: Context, event_id: str) -> tuple[bytes, Mapping[str, str]] | None:
    """Return the raw body of an event and its headers, or None where the body has expired.

    Those are its signature, and the `traceparent` and `tracestate` of a traced event.
    """
    record = await accept.find(ctx.services.store, event_id)
    if record is None or record.body is None:
        return None
    return record.body, {**(record.signature_headers or {}), **_trace_headers(record.trace)}


def _trace_headers(trace: str | None) -> dict[str, str]:
    parent, _, state = (trace or "").partition(" ")
    if not _PARENT.fullmatch(parent):
        return {}
    return {"traceparent": parent} | ({"tracestate": state} if _STATE.fullmatch(state) else {})


async def is_gone(ctx: Context, url: str) -> bool:
    """Return whether this URL has answered 410."""
    return await remembered.is_gone(ctx.services.store, url)


async def note_gone(ctx: Context, url: str) -> None:
    """Remember for ever that this URL has answered 410."""
    await remembered.note_gone(ctx.services.store, url)
