"""What is known of each outbound message, from whatever order its events arrive in."""

from service import Context, Event, Router
from service.events import Message
from service.messages.state import note

router = Router()


@router.on("message.sent", "message.finalized", "message.read")
async def message_state(event: Event[Message], ctx: Context) -> None:
    """Merge the event into the message's state."""
    await note(ctx, event.payload)
