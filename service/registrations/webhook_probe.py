"""Whether a Ringback answers at a URL, asked before Telnyx is told to deliver there."""

import asyncio
import uuid

import httpx
import orjson
from nacl.signing import SigningKey

from service import clock
from service.events import PROBE_TYPE
from service.outbound.tls import tls_context
from service.security.telnyx_signature import SIGNATURE_HEADER, sign

DEADLINE = 2.0
"""Seconds that Telnyx waits for an answer (knowledge base, receiving webhooks)."""


class Unanswered(Exception):
    """No Ringback answers there; the text says what came instead."""


async def probe(url: str, key: SigningKey | None) -> None:
    """Ask whether a Ringback answers at `url`: with the probe key, ours; without one, any that asks for a signature.

    Raises:
        Unanswered: it does not.
    """
    body = orjson.dumps({"data": {"event_type": PROBE_TYPE, "id": str(uuid.uuid4())}})
    signature = sign(body, key, int(clock.now())) if key is not None else {}
    status, answer = await _post(url, body, signature)
    if key is not None and (status, answer.get("status")) != (200, "probe"):
        raise Unanswered(f"{url} answers {status} to a probe: make sure that RINGBACK_PROBE_KEY is the same there")
    if key is None and not (status == 401 and SIGNATURE_HEADER in str(answer.get("error"))):
        raise Unanswered(f"{url} answers {status}, and does not ask for Telnyx's signature as a Ringback would")


async def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, object]]:
    headers = {**headers, "content-type": "application/json"}
    try:
        async with asyncio.timeout(DEADLINE), httpx.AsyncClient(verify=tls_context()) as http:
            response = await http.post(url, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise Unanswered(f"{url} does not answer within {DEADLINE:g} s ({type(error).__name__})") from None
    try:
        answer = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        answer = None
    return response.status_code, answer if isinstance(answer, dict) else {}
