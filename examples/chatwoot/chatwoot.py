"""Puts inbound messages into a Chatwoot inbox of the kind *API*, where people answer them.

Source: https://developers.chatwoot.com/api-reference, the client APIs of an API channel.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from pydantic_settings import BaseSettings

import handlers
from service import Context, Discard, Event, Router
from service.events import Message


class ChatwootSettings(BaseSettings):
    """`CHATWOOT_URL`, such as https://app.chatwoot.com, and `CHATWOOT_INBOX`, the inbox's identifier."""

    chatwoot_url: str
    chatwoot_inbox: str


@asynccontextmanager
async def chatwoot_client() -> AsyncIterator[httpx.AsyncClient]:
    """Yield one client for all calls of a worker."""
    settings = ChatwootSettings()
    base = f"{settings.chatwoot_url}/public/api/v1/inboxes/{settings.chatwoot_inbox}"
    async with httpx.AsyncClient(base_url=base, timeout=10) as client:
        yield client


inbox = Router(lifespan=chatwoot_client, settings=ChatwootSettings)


@inbox.on("message.received")
async def chatwoot(event: Event[Message], ctx: Context) -> None:
    """Add the message to the conversation of its number. The conversation begins with the first one."""
    message = event.payload
    number = message.from_.phone_number
    if number is None:
        raise Discard("no_number")
    conversation = await _conversation(ctx, number)
    links = [each.url for each in message.media if each.url]
    # Chatwoot keeps no key of repetitions: a worker that dies right here shows the message twice, and loses none.
    await _post(ctx, f"{conversation}/messages", {"content": "\n".join([message.said or "", *links]).strip()})


async def _conversation(ctx: Context, number: str) -> str:
    """Return the path of the number's conversation, remembered in Redis under the number's hash."""
    key = ctx.keys.user(f"chatwoot:{hashlib.sha256(number.encode()).hexdigest()}")
    known: bytes | None = await ctx.redis.get(key)
    if known is not None:
        return known.decode()
    contact = await _post(ctx, "/contacts", {"identifier": number, "name": number, "phone_number": number})
    path = f"/contacts/{contact['source_id']}/conversations"
    begun = await _post(ctx, path, {})
    await ctx.redis.set(key, conversation := f"{path}/{begun['id']}")
    return conversation


async def _post(ctx: Context, path: str, body: dict[str, str]) -> dict[str, str]:
    answer = await ctx.state.post(path, json=body)
    answer.raise_for_status()
    return dict(answer.json())


router = Router(handlers.router, inbox)
