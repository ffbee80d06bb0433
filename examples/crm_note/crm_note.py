"""Notes every inbound message in a CRM, once, however often the handler runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from pydantic import SecretStr
from pydantic_settings import BaseSettings

import handlers
from service import Context, Discard, Event, Retry, Router
from service.events import Message


class CrmSettings(BaseSettings):
    """`CRM_URL` and `CRM_KEY`, in the environment or in `.env`."""

    crm_url: str
    crm_key: SecretStr


@asynccontextmanager
async def crm() -> AsyncIterator[httpx.AsyncClient]:
    """Yield one client for all notes of a worker."""
    settings = CrmSettings()
    key = {"Authorization": f"Bearer {settings.crm_key.get_secret_value()}"}
    async with httpx.AsyncClient(base_url=settings.crm_url, headers=key, timeout=10) as client:
        yield client


notes = Router(lifespan=crm, settings=CrmSettings)


@notes.on("message.received")
async def crm_note(event: Event[Message], ctx: Context) -> None:
    """Post the note under a key of this event, so that the CRM takes a repeated one once."""
    number = event.payload.from_.phone_number
    if number is None:
        raise Discard("no_number")
    note = {"number": number, "text": event.payload.said}
    answer = await ctx.state.post("/notes", json=note, headers={"Idempotency-Key": ctx.effect_key})
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise Retry(after=float(answer.headers.get("retry-after", 60)), reason="crm_busy")
    answer.raise_for_status()  # an exception is an attempt: again after 1, 16, 81 … seconds


router = Router(handlers.router, notes)
