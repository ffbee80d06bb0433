"""Writing the SMS in place of an RCS message: from what its event says, or what Telnyx shows of it."""

from service.messages.fallback import Case, Draft, content_of, draft
from service.messages.links import shorteners_to_warn_of
from service.messages.look_up import look_up
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
