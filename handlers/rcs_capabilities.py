"""Forget a phone's remembered RCS capabilities once a message shows them to be wrong."""

from service import Context, Discard, Event, Router
from service.events import Message
from service.events.message import MAX_RECIPIENTS
from service.messages.rcs_capabilities import contradict
from service.settings import Settings

router = Router()


def unless(event: Event[Message], settings: Settings) -> str | None:
    """Return a reason against a message that is no RCS message of ours."""
    del settings
    message = event.payload
    is_ours = message.direction == "outbound" and message.type == "RCS" and message.from_.agent_id is not None
    return None if is_ours else "not_rcs"


@router.on("message.finalized", "message.read", unless=unless)
async def rcs_capabilities(event: Event[Message], ctx: Context) -> None:
    """Compare how an RCS message of ours ended with what was remembered of its recipients."""
    message, agent = event.payload, str(event.payload.from_.agent_id)
    ended = [(to.phone_number, to.status) for to in message.to[:MAX_RECIPIENTS] if to.phone_number and to.status]
    wrong = [number for number, status in ended if await contradict(ctx, agent, number, status)]
    if not wrong:
        raise Discard("as_known")
