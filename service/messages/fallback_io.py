"""The content of the SMS in place of an RCS message, from its event or from what Telnyx shows of the message."""

from pydantic import ValidationError
from telnyx import AsyncTelnyx, NotFoundError

from service.events import Message
from service.messages.fallback import Case, Draft, content_of, draft
from service.messages.links import shorteners_to_warn_of
from service.routing import Context
from service.store.keys import Keys


async def write(ctx: Context, case: Case) -> Draft:
    """Write the SMS; links that carriers are known to block are warned of.

    Raises:
        Dead: it cannot be written; see `draft`.
        telnyx.APIError: Telnyx could not be asked what the message said.
    """
    content = content_of(case.message) or content_of(await look_up(ctx.telnyx, str(case.message.id)))
    wanted = draft(case, content)
    for host in await shorteners_to_warn_of(wanted.text, ctx.telnyx, ctx.redis, Keys.of(ctx.settings)):
        ctx.log.warning("an SMS links to a public shortener, which carriers block", host=host, rule=case.rule.name)
    return wanted


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
