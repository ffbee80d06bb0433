"""A handler with a package of its own, for the image of `Dockerfile` beside this file."""

from datetime import timedelta

import humanize

import handlers
from service import Context, Event, Router
from service.events import Message

router = Router(handlers.router)


@router.on("message.received")
async def opening_time(event: Event[Message], ctx: Context) -> None:
    """Say when the shop opens, to those who ask."""
    if "open" in (event.payload.text or "").lower():
        await ctx.reply(f"We open in {humanize.naturaldelta(timedelta(hours=9))}.")
