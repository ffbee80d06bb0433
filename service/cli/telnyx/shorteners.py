"""A warning about links that carriers block."""

from redis.asyncio import Redis
from telnyx import AsyncTelnyx

from service.cli.output import say
from service.messages.links import shorteners_to_warn_of
from service.store.keys import Keys


async def warn_of_shorteners(telnyx: AsyncTelnyx, redis: Redis, keys: Keys, *, text: str) -> None:
    """Tell a person of public link shorteners in an SMS that are no domain of the account."""
    for host in await shorteners_to_warn_of(text, telnyx, redis, keys):
        say(f"warning: carriers may block links by {host}, a public shortener", err=True)
