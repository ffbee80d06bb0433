"""The naive receiver: Starlette, PyNaCl and pydantic, and a job of arq, SAQ or Celery for each event.

It verifies the signature and its age, parses the payload into models, and enqueues the event under its id.
"""

import base64
import os
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import uvicorn
from arq import create_pool
from arq.connections import RedisSettings
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

TOLERANCE = 300
KEY = VerifyKey(base64.b64decode(os.environ["TELNYX_PUBLIC_KEY"]))
Enqueue = Callable[[str, dict[str, Any]], Awaitable[None]]


class Address(BaseModel):
    """A sender or a recipient."""

    phone_number: str
    status: str | None = None
    carrier: str | None = None
    line_type: str | None = None


class Message(BaseModel):
    """The payload of a message event."""

    id: str
    direction: str
    type: str
    messaging_profile_id: str | None = None
    sender: Address = Field(alias="from")
    to: list[Address]
    text: str | None = None
    media: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    received_at: str | None = None


class Received(BaseModel):
    """A message to us."""

    event_type: Literal["message.received"]
    id: str
    occurred_at: str
    payload: Message


class Finalized(BaseModel):
    """A message of ours that ended."""

    event_type: Literal["message.finalized"]
    id: str
    occurred_at: str
    payload: Message


class Webhook(BaseModel):
    """The body of a delivery."""

    data: Annotated[Received | Finalized, Field(discriminator="event_type")]


PARSE = TypeAdapter(Webhook)


async def webhooks(request: Request) -> JSONResponse:
    """Answer one webhook."""
    body = await request.body()
    timestamp = request.headers["telnyx-timestamp"]
    if abs(time.time() - int(timestamp)) > TOLERANCE:
        return JSONResponse({"error": "too old"}, 401)
    try:
        KEY.verify(f"{timestamp}|".encode() + body, base64.b64decode(request.headers["telnyx-signature-ed25519"]))
        webhook = PARSE.validate_json(body)
    except (BadSignatureError, ValidationError):
        return JSONResponse({"error": "invalid"}, 401)
    await request.app.state.enqueue(webhook.data.id, webhook.data.model_dump(by_alias=True))
    return JSONResponse({"status": "accepted"})


async def arq_enqueue() -> Enqueue:
    """Enqueue by arq. Its id keeps a second delivery out while the job or its result lives."""
    pool = await create_pool(RedisSettings.from_dsn(os.environ["REDIS_URL"]))

    async def enqueue(event_id: str, event: dict[str, Any]) -> None:
        await pool.enqueue_job("handle", event_id, event, _job_id=event_id)

    return enqueue


async def saq_enqueue() -> Enqueue:
    """Enqueue by SAQ under the event's id."""
    from saq import Queue  # noqa: PLC0415 - only where it is measured

    queue = Queue.from_url(os.environ["REDIS_URL"])
    await queue.connect()

    async def enqueue(event_id: str, event: dict[str, Any]) -> None:
        await queue.enqueue("handle", key=event_id, event_id=event_id, event=event)

    return enqueue


async def celery_enqueue() -> Enqueue:
    """Enqueue by Celery, in the event loop as is common."""
    from benchmarks.peers.celery_app import handle  # noqa: PLC0415 - only where it is measured

    async def enqueue(event_id: str, event: dict[str, Any]) -> None:
        handle.apply_async((event_id, event), task_id=event_id)

    return enqueue


QUEUES = {"arq": arq_enqueue, "saq": saq_enqueue, "celery": celery_enqueue}


def create_app() -> Starlette:
    """Return the application."""
    app = Starlette(routes=[Route("/webhooks", webhooks, methods=["POST"])])

    async def connect() -> None:
        app.state.enqueue = await QUEUES[os.environ["BENCH_QUEUE"]]()

    app.router.lifespan_context = _lifespan(connect)
    return app


def _lifespan(connect: Callable[[], Awaitable[None]]) -> Any:
    from contextlib import asynccontextmanager  # noqa: PLC0415

    @asynccontextmanager
    async def lifespan(_: Starlette) -> Any:
        await connect()
        yield

    return lifespan


if __name__ == "__main__":
    uvicorn.run(create_app(), port=int(os.environ["BENCH_PORT"]), access_log=False, log_level="warning")
