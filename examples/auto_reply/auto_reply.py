"""Answers the questions that customers ask most, and leaves the rest to people."""

import handlers
from service import Context, Discard, Event, Router
from service.events import Message

ANSWERS = {
    "open": "We are open from 9 to 5, Monday to Friday.",
    "address": "12 Main Street, Chicago. The entrance is in the yard.",
    "menu": "Our menu: https://diner.example/menu",
}

router = Router(handlers.router)


@router.on("message.received")
async def auto_reply(event: Event[Message], ctx: Context) -> None:
    """Answer by the first word of `ANSWERS` that the message holds."""
    said = (event.payload.said or "").casefold()
    for word, answer in ANSWERS.items():
        if word in said:
            await ctx.reply(answer)
            return
    raise Discard("no_question")
