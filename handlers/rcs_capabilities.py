"""Forget a phone's remembered RCS capabilities once a message shows them to be wrong."""

from service import Context, Discard, Event, Router
from service.events import Message
from service.messages.rcs_capabilities import contradict

router = Router()


@router.on("message.finalized", "message.read")
async def rcs_capabilities(event: Event[Message], ctx: Context) -> None:
    """Compare how an RCS message of ours ended with what was remembered of its recipients."""
    message = event.payload
    agent = message.from_.agent_id
    if message.direction != "outbound" or message.type != "RCS" or agent is None:
        raise Discard("not_rcs")
    ended = [(to.phone_number, to.status) for to in message.to if to.phone_number and to.status]
    wrong = [number for number, status in ended if await contradict(ctx, agent, number, status)]
    if not wrong:
        raise Discard("as_known")
