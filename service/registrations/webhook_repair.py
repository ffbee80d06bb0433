"""Changes to where Telnyx delivers, after a probe of the URL. Each can be undone."""

import asyncio
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import orjson
from nacl.signing import SigningKey
from telnyx import AsyncTelnyx

from service import clock
from service.events import PROBE_TYPE
from service.outbound.tls import tls_context
from service.processes.loopback import is_loopback
from service.registrations import webhook_destinations, webhook_urls
from service.routing import Context
from service.security.masked_urls import without_secrets
from service.security.telnyx_signature import SIGNATURE_HEADER, sign
from service.settings import Settings
from service.store.facts.remembered import acquire_throttle, all_known, compare_and_set, forget_snapshot, snapshot
from service.store.later_fields import known_fields
from service.store.store import Store

CHANGED = "webhooks_changed"
"""The kind under which old values are kept, for ever."""
ONCE_PER = 3600.0
"""Seconds between two looks at the same agent or profile, however many events come by another way."""
DEADLINE = 2.0
"""Seconds that Telnyx waits for an answer (knowledge base, receiving webhooks)."""


class Unanswered(Exception):
    """No Ringback answers there. The text says what came instead."""


async def probe(url: str, key: SigningKey | None) -> None:
    """Check that a Ringback answers at `url`: ours with the probe key, else any that asks for a signature.

    Raises:
        Unanswered: it does not.
    """
    shown = without_secrets(url)
    body = orjson.dumps({"data": {"event_type": PROBE_TYPE, "id": str(uuid.uuid4())}})
    signature = sign(body, key, int(clock.now())) if key is not None else {}
    status, answer = await _post(url, body, signature)
    if key is not None and (status, answer.get("status")) != (200, "probe"):
        raise Unanswered(f"{shown} answers {status} to a probe: make sure that RINGBACK_PROBE_KEY is the same there")
    if key is None and not (status == 401 and SIGNATURE_HEADER in str(answer.get("error"))):
        raise Unanswered(f"{shown} answers {status}, and does not ask for Telnyx's signature as a Ringback would")


async def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, object]]:
    headers = {**headers, "content-type": "application/json"}
    try:
        async with asyncio.timeout(DEADLINE), httpx.AsyncClient(verify=tls_context()) as http:
            response = await http.post(url, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise Unanswered(
            f"{without_secrets(url)} does not answer within {DEADLINE:g} s ({type(error).__name__})"
        ) from None
    try:
        answer = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        answer = None
    return response.status_code, answer if isinstance(answer, dict) else {}


class NotTaken(Exception):
    """Telnyx took a change and shows something else. The text says what."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A change of ours, with the values before it."""

    kind: webhook_urls.Kind
    id: str
    name: str
    before: dict[str, str | None]
    after: dict[str, str | None]

    @property
    def key(self) -> str:
        """Its name among agents and profiles together."""
        return f"{self.kind}:{self.id}"

    def is_undone(self, current: webhook_urls.Destination) -> bool:
        """Return whether all values are the earlier ones already."""
        return all(current.values[name] == value for name, value in self.before.items())

    def was_touched(self, current: webhook_urls.Destination) -> bool:
        """Return whether somebody else has changed one of these fields since."""
        ours = all(current.values[name] == value for name, value in self.after.items())
        return not ours and not self.is_undone(current)


async def refuse_dead_ends(settings: Settings) -> None:
    """Check that a Ringback answers at every declared URL.

    Raises:
        Unanswered: a URL is not https, or no Ringback answers there.
    """
    for url in webhook_urls.Declared.of(settings).urls:
        # Plain HTTP is for a Ringback that is tried on a local Telnyx, on one machine.
        both_local = all(is_loopback(urlsplit(each).hostname or "") for each in (url, settings.base_url))
        if not (url.startswith("https://") or both_local):
            raise Unanswered(f"{without_secrets(url)} is not https: what arrives there could be read on its way")
        await probe(url, settings.probe_signing_key())


async def mend(telnyx: AsyncTelnyx, store: Store, comparison: webhook_urls.Comparison) -> None:
    """Keep the old values, change those that differ, and check that Telnyx shows the new ones.

    Raises:
        NotTaken: Telnyx shows other values than those that it took.
        telnyx.APIError: Telnyx refuses, or cannot be reached.
        redis.exceptions.RedisError: the old values could not be kept. Nothing is changed.
    """
    destination, wanted = comparison.destination, comparison.wanted
    before = {name: destination.values[name] for name in wanted}
    kept = Kept(destination.kind, destination.id, destination.name, before, dict(wanted))
    await _keep(store, kept)
    await _change(telnyx, destination, kept.after)


async def may_look(ctx: Context, key: str, by: str) -> bool:
    """Return whether the event `by` may look at an agent or profile: one event may within `ONCE_PER` seconds."""
    return await acquire_throttle(ctx.services.store, f"webhooks:{key}", by, seconds=ONCE_PER)


async def kept_changes(store: Store) -> list[Kept]:
    """Return the latest change of ours to each agent and profile that was not undone."""
    stored = await all_known(store, CHANGED)
    return [Kept(**known_fields(Kept, value)) for _, value in sorted(stored.items())]


async def take_back(telnyx: AsyncTelnyx, store: Store, kept: Kept, current: webhook_urls.Destination) -> None:
    """Restore the old values, check that Telnyx shows them, and forget the change.

    Raises:
        NotTaken: Telnyx shows other values than those that it took.
        telnyx.APIError: Telnyx refuses, or cannot be reached.
        redis.exceptions.RedisError: it is put back, but not forgotten. Doing it again is harmless.
    """
    if not kept.is_undone(current):
        await _change(telnyx, current, kept.before)
    await forget_snapshot(store, CHANGED, kept.key)


async def _keep(store: Store, kept: Kept) -> None:
    """Store a change before it is made, so that it can be undone."""
    while True:
        before = await snapshot(store, CHANGED, kept.key)
        if await compare_and_set(store, CHANGED, kept.key, before=before, after=orjson.dumps(kept)):
            return


async def _change(telnyx: AsyncTelnyx, destination: webhook_urls.Destination, values: dict[str, str | None]) -> None:
    if destination.locked:
        raise NotTaken(destination.locked)
    await webhook_destinations.change_destination(telnyx, destination.kind, destination.id, values)
    found = await webhook_destinations.find_destination(telnyx, destination.kind, destination.id)
    if found is None:
        raise NotTaken(f"{destination.kind} {destination.id} is gone")
    different = [name for name, value in values.items() if found.values[name] != value]
    if different:
        raise NotTaken(
            f"Telnyx took the change of {destination.kind} {destination.id} and shows another {different[0]}"
        )
