"""Telnyx's records of its deliveries, and the events in them that count as missed. Pure but for `delivery_pages`.

Source: OpenAPI `webhook_delivery`. A row has the original event and every attempt, with URL and answer. There is no
operation that delivers an event again.
"""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import urlsplit

from telnyx import AsyncTelnyx
from telnyx._base_client import make_request_options
from telnyx.pagination import AsyncDefaultFlatPagination

from service.events import InvalidBody, read_envelope
from service.events.event import PROBE_TYPE, read_object
from service.events.nested_json import dump_json
from service.events.tolerant_model import list_of, read_time
from service.outbound.list_pages import pages
from service.settings import Settings
from service.store.inbox.accept import NewEvent
from service.store.inbox.healing import MissedEvent

ARRIVED_BY = "healed"
PAGE = 100
"""Rows per request. Telnyx allows 250, but a worker's event loop stands still while it parses them."""
_DEFAULT_PORTS = {"http": 80, "https": 443}

Row = dict[str, Any]


class UnreadableDelivery(Exception):
    """A delivery to us holds no event that can be accepted. The text says why, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class OurUrls:
    """The addresses whose deliveries are ours: the public URL and, where it leads to this store, the failover URL."""

    addresses: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> "OurUrls":
        """Return the addresses that the settings declare.

        Raises:
            service.settings.InvalidSettings: `RINGBACK_PUBLIC_URL` is not set.
        """
        own = [settings.require_public_url()]
        if settings.failover_url is not None and settings.failover_shares_store:
            own.append(settings.failover_url)
        return cls(frozenset(filter(None, map(_address, own))))

    def __contains__(self, url: object) -> bool:
        return isinstance(url, str) and _address(url) in self.addresses


@dataclass(frozen=True, slots=True)
class ListedAttempt:
    """One attempt of a delivery, at milliseconds since 1970."""

    url: str
    succeeded: bool
    at: int | None


@dataclass(frozen=True, slots=True)
class ListedDelivery:
    """A delivery to us that nobody else has received.

    A row does not say whether an event without an id was enveloped. The two forms of equal content have different
    digests. `twin` is the less likely form.
    """

    id: str
    status: str
    missed: MissedEvent
    twin: MissedEvent | None


async def delivery_pages(telnyx: AsyncTelnyx, since: str, until: str | None) -> AsyncGenerator[list[Row], None]:
    """Yield the pages of deliveries that began between two times (ISO 8601), as the API writes them.

    The SDK's own list parses times, so that equal content would get another digest.

    Raises:
        service.outbound.list_pages.ListDoesNotEnd: it repeats a page, or passes its number of pages.
        telnyx.APIError: Telnyx refuses, or cannot be reached.
    """
    started = {"gte": since} | ({} if until is None else {"lte": until})
    listed = telnyx.get_api_list(
        "/webhook_deliveries",
        page=AsyncDefaultFlatPagination[Row],
        model=cast("Any", Row),
        options=make_request_options(query={"filter": {"started_at": started}, "page[size]": PAGE}),
    )
    async for rows in pages(listed, "webhook deliveries"):
        yield rows


def read_delivery(
    row: Mapping[str, Any], ours: OurUrls, *, max_body: int, keep: float, opt_out_words: Collection[str] = ()
) -> ListedDelivery | None:
    """Return the event of a delivery to us, or None for any other. One that another receiver has taken is not ours.

    `max_body` is bytes. The state of a message is kept for `keep` seconds.

    Raises:
        UnreadableDelivery: it is ours, and holds no event that can be accepted.
    """
    attempts = _attempts(row)
    if not any(each.url in ours for each in attempts):
        return None
    if any(each.succeeded and each.url not in ours for each in attempts):
        return None
    body = _body(row.get("webhook"), attempts)
    if len(body) > max_body:
        raise UnreadableDelivery(f"its event is larger than {max_body} bytes (RINGBACK_MAX_BODY)")
    try:
        envelope = read_envelope(body, opt_out_words)
    except InvalidBody as error:
        raise UnreadableDelivery(error.reason) from None
    if envelope.type == PROBE_TYPE:
        return None
    event = NewEvent.from_envelope(envelope, body, ARRIVED_BY, keep=keep)
    times = [each.at for each in attempts if each.at is not None] or [_milliseconds(row.get("started_at")) or 0]
    missed = MissedEvent(event, min(times), max(times))
    return ListedDelivery(
        str(row.get("id")), str(row.get("status")), missed, _twin(missed) if envelope.by_content else None
    )


def _twin(missed: MissedEvent) -> MissedEvent:
    content = read_object(missed.event.body)
    inner = content.get("data")
    other = read_envelope(dump_json(inner if isinstance(inner, dict) else {"data": content}))
    return replace(missed, event=missed.event._replace(identity=other.identity, type=other.type))


def _attempts(row: Mapping[str, Any]) -> Sequence[ListedAttempt]:
    found = []
    for each in list_of(row.get("attempts")):
        url = _within(each, "http", "request", "url")
        if isinstance(url, str):
            answer = _within(each, "http", "response", "status")
            succeeded = answer // 100 == 2 if isinstance(answer, int) else _within(each, "status") == "delivered"
            found.append(ListedAttempt(url, succeeded, _milliseconds(_within(each, "started_at"))))
    return found


def _body(webhook: object, attempts: Sequence[ListedAttempt]) -> bytes:
    """Return a body as Telnyx would deliver it: the event in its envelope, or a flat event alone."""
    if not isinstance(webhook, dict):
        raise UnreadableDelivery("Telnyx shows no event in it")
    if isinstance(webhook.get("data"), dict) or not _is_enveloped(webhook):
        return dump_json(webhook)
    # The latest attempt comes first. Source: OpenAPI `webhook_delivery.attempts`.
    return dump_json({"data": webhook, "meta": {"attempt": len(attempts), "delivered_to": attempts[0].url}})


def _is_enveloped(webhook: Mapping[str, Any]) -> bool:
    return webhook.get("record_type") == "event" or isinstance(webhook.get("payload"), dict) or "event_type" in webhook


def _address(url: str) -> str | None:
    """Return what tells two receivers apart: neither a query, a login nor a slash at the end."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path.rstrip('/')}"


def _within(value: object, *names: str) -> object:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _milliseconds(text: object) -> int | None:
    moment = read_time(text)
    return None if moment is None else int(moment.timestamp() * 1000)
