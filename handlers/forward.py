"""Every event, or some types, handed on to a service of the customer's own, as Telnyx sent it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx

from service import Context, Discard, Event, Retry, Router, clock
from service.outbound.errors import seconds_until
from service.outbound.forwarding import is_gone, note_gone, original_of
from service.outbound.tls import tls_context
from service.outcome import Dead
from service.security import standard_webhooks
from service.security.telnyx_signature import TIMESTAMP_HEADER
from service.settings import Settings

TIMEOUT = httpx.Timeout(20.0, connect=5.0)
"""Seconds. The specification of Standard Webhooks recommends 15 to 30."""
MAX_ANSWER = 20_000
"""Bytes of an answer. A longer one costs its connection."""
DRAIN_SECONDS = 2.0
SHORTEST_WAIT = 1.0
DERIVED = frozenset({"emit", "schedule"})


class ReceiverFailed(Exception):
    """The receiver answered 5xx."""


class ReceiverRefused(Exception):
    """The receiver answered 4xx: it may not trust the signature, or not know the path."""


class ReceiverRedirected(Exception):
    """The receiver answered 3xx, which is not followed: set RINGBACK_FORWARD_URL to where it points."""


@asynccontextmanager
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Yield the client of a worker. It ignores proxies and logins of the environment."""
    async with httpx.AsyncClient(
        verify=tls_context(), timeout=TIMEOUT, follow_redirects=False, trust_env=False
    ) as opened:
        yield opened


def forwarded_types(settings: Settings) -> Sequence[str]:
    """Return no types without `RINGBACK_FORWARD_URL`, so that events without a handler are ignored."""
    return () if settings.forward_url is None else settings.forwarded_types().patterns


router = Router(lifespan=client)


@router.on(types_from=forwarded_types)
async def forward(event: Event[Any], ctx: Context) -> None:
    """Post the raw body, byte for byte, with Telnyx's signature headers and Standard Webhooks headers."""
    url = _armed_url(event, ctx.settings)
    if await is_gone(ctx, url):
        raise Discard("receiver_gone")
    original = await original_of(ctx, event.id)
    if original is None:
        raise Dead("no_body", "the body of this event has expired, so there is nothing to forward")
    body, signature = original
    ours = standard_webhooks.headers(event.id, int(clock.now()), body, ctx.settings.forward_secrets())
    headers = {"content-type": "application/json", "user-agent": "ringback", **ours, **signature}
    answer = await _post(ctx.state, url, body, headers)
    if answer.status_code == httpx.codes.GONE:
        await note_gone(ctx, url)
        ctx.log.error("the receiver answered 410: nothing more is forwarded to this RINGBACK_FORWARD_URL")
        raise Discard("receiver_gone")
    _refuse_failure(answer, signature.get(TIMESTAMP_HEADER), ctx)


async def _post(client: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
    """Return an answer's status and headers. Its body says nothing to us, and is read for the connection's sake."""
    async with client.stream("POST", url, content=body, headers=headers) as answer:
        with suppress(httpx.HTTPError, TimeoutError):
            await _drain(answer)
    return answer


async def _drain(answer: httpx.Response) -> None:
    """Read an answer that is short, as it came: unpacked it could fill the memory."""
    read = 0
    async with asyncio.timeout(DRAIN_SECONDS):
        async for piece in answer.aiter_raw(chunk_size=None):
            read += len(piece)
            if read > MAX_ANSWER:
                return


def _armed_url(event: Event[Any], settings: Settings) -> str:
    if settings.forward_url is None:
        raise Discard("not_armed")
    if not settings.forwarded_types().holds(event.type, derived=event.arrived_by in DERIVED):
        raise Discard("not_selected")
    return settings.forward_url


def _refuse_failure(answer: httpx.Response, signed: str | None, ctx: Context) -> None:
    status = answer.status_code
    if answer.is_success:
        return
    wait = seconds_until(answer.headers.get("retry-after"), clock.now())
    if status in {429, 503} and wait is not None:
        raise Retry(after=max(wait, SHORTEST_WAIT), reason="receiver_busy")
    age = None if signed is None else int(clock.now()) - int(signed)
    ctx.log.warning("the receiver did not take it", status=status, telnyx_signature_age=age)
    if status < 400:
        raise ReceiverRedirected
    raise ReceiverFailed if status >= 500 else ReceiverRefused
