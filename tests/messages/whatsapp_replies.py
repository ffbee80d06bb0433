"""A handler that answers WhatsApp messages, and those who write them."""

from typing import Any

from service import Context, Event, Router
from service.testing.samples import sample
from tests.stack import SMS_FROM, Stack

USER = "US.13491208655302741918"
ANSWER = "Thanks, we will call you back."


class Replies:
    """A handler that answers everything, and what `ctx.reply` told it."""

    def __init__(self) -> None:
        self.told: list[bool] = []
        self.router = Router()
        self.router.on("message.received", name="replies")(self._reply)

    async def _reply(self, event: Event[dict[str, Any]], ctx: Context) -> None:
        self.told.append(await ctx.reply(ANSWER))


def answered(stack: Stack, *bodies: Any, router: Router | None = None) -> list[bool]:
    """What `ctx.reply` said to each of these events, one after another."""
    replies = Replies()
    stack.start_worker(Router(replies.router, router) if router else replies.router)
    for body in bodies:
        assert stack.deliver(body).status_code == 200
        record = stack.ended(body)
        assert (record.state, record.handlers["replies"].attempts) == ("done", 0)
    return replies.told


def sends(stack: Stack) -> list[tuple[str, Any]]:
    return [(each.path, each.body) for each in stack.simulator.requests if each.method == "POST"]


def hidden_sender(**body: Any) -> Any:
    event = sample("whatsapp.hidden-sender", set={"data.payload.to": SMS_FROM})
    event["data"]["payload"]["body"].update(body)
    return event


def wrote(stack: Stack, sender: str, user_id: str | None = None) -> None:
    """Somebody writes at the local Telnyx too, which opens the window there."""
    stack.simulator.receive(sender=sender, user_id=user_id, to=SMS_FROM, type="WHATSAPP", text="Hi")
