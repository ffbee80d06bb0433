"""Asking Telnyx what it shows of a message."""

from pydantic import ValidationError
from telnyx import AsyncTelnyx, NotFoundError

from service.events import Message


async def look_up(telnyx: AsyncTelnyx, message_id: str) -> Message | None:
    """The message as `GET /messages/{id}` shows it; None where Telnyx does not know it (any more), or shows no message.

    Raises:
        telnyx.APIError: Telnyx refused otherwise, or could not be reached.
    """
    try:
        answer = await telnyx.messages.retrieve(message_id)
    except NotFoundError:
        return None
    try:
        return Message.model_validate(answer.to_dict(mode="json", warnings=False).get("data"))
    except ValidationError:
        return None
