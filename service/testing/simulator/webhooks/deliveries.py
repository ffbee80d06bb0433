"""Events as webhooks carry them, and Telnyx's records of its attempts to deliver them: `GET /webhook_deliveries`.

Source: OpenAPI `webhooks`. `data` has id, type, time and payload. Most have `meta`, with the number and the URL of the
attempt.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import orjson

from service.testing.samples import event_data
from service.testing.simulator.api.api_error import refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.lists import page, time_filter
from service.testing.simulator.identifiers import Identifiers
from service.testing.simulator.resources import Resources
from service.testing.simulator.simulated_clock import SimulatedClock, iso

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

USER_ID = "b448f9cc-a842-4784-98e9-03c1a5872950"
"""The user of the simulated account."""

Status = Literal["delivered", "failed"]


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """One event, at simulated seconds since 1970.

    `data` is what every delivery of it carries. Without `with_meta` the body has `data` only. A `flat` one is `data`.
    """

    data: dict[str, Any]
    occurred_at: float
    with_meta: bool = True
    flat: bool = False

    @property
    def type(self) -> str:
        """The event type, such as `message.finalized`."""
        return str(self.data.get("event_type", ""))

    @property
    def subject(self) -> str:
        """The id of what the event is about."""
        payload = self.data if self.flat else self.data.get("payload", {})
        names = ("id", "order_id", "phoneNumber", "campaignId", "brandId")
        return str(next((payload[name] for name in names if payload.get(name)), None))

    def body(self, attempt: int, url: str) -> dict[str, Any]:
        """Return the JSON body of one attempt."""
        if self.flat:
            return self.data
        meta = {"meta": {"attempt": attempt, "delivered_to": url}} if self.with_meta else {}
        return {"data": self.data} | meta


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where the webhooks about something go: the URL, and the one to turn to when that fails. None: nowhere.

    Between the attempts at one URL lie these `pauses`, in simulated seconds.
    """

    url: str | None = None
    failover_url: str | None = None
    pauses: tuple[float, ...] = (1.0, 2.0)

    def urls(self) -> list[str]:
        """Return those of the two that are set, in their order."""
        return [url for url in (self.url, self.failover_url) if url]


def new_event(
    clock: SimulatedClock, identifiers: Identifiers, event_type: str, payload: dict[str, Any]
) -> WebhookEvent:
    """Return an event that occurs now."""
    occurred_at = clock.now()
    data = event_data(event_type, payload, event_id=identifiers.uuid("event"), occurred_at=iso(occurred_at))
    return WebhookEvent(data, occurred_at)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer. `status` is None where none came within the deadline."""

    request_headers: dict[str, str]
    status: int | None = None
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to a URL, in simulated time."""

    url: str
    started_at: float
    finished_at: float
    exchange: Exchange

    @property
    def status(self) -> Status:
        """The result: any 2xx is a success. Source: knowledge base, receiving webhooks for messaging."""
        answer = self.exchange.status
        return "delivered" if answer is not None and answer // 100 == 2 else "failed"

    def as_json(self) -> dict[str, Any]:
        """Return the attempt as Telnyx shows it. Source: OpenAPI `attempt`."""
        exchange = self.exchange
        http: dict[str, Any] = {"request": {"url": self.url, "headers": _pairs(exchange.request_headers)}}
        if exchange.status is not None:
            headers = _pairs(exchange.response_headers)
            http["response"] = {"status": exchange.status, "headers": headers, "body": exchange.response_body}
        times = {"started_at": iso(self.started_at), "finished_at": iso(self.finished_at)}
        return {"status": self.status, **times, "http": http, "errors": []}


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """All attempts to deliver one event, the first one first."""

    id: str
    webhook: dict[str, Any]
    attempts: tuple[Attempt, ...]

    @property
    def status(self) -> Status:
        """The result of the last attempt."""
        return self.attempts[-1].status

    @property
    def started_at(self) -> float:
        """The begin of the first attempt, in simulated time."""
        return self.attempts[0].started_at

    @property
    def finished_at(self) -> float:
        """The end of the last attempt, in simulated time."""
        return self.attempts[-1].finished_at

    def as_json(self) -> dict[str, Any]:
        """Return the delivery as Telnyx shows it, latest attempt first. Source: OpenAPI `webhook_delivery`."""
        named = {"record_type": "webhook_delivery", "id": self.id, "user_id": USER_ID, "status": self.status}
        times = {"started_at": iso(self.started_at), "finished_at": iso(self.finished_at)}
        attempts = [attempt.as_json() for attempt in reversed(self.attempts)]
        return {**named, **times, "webhook": self.webhook, "attempts": attempts}


class WebhookDeliveries(Resources[WebhookDelivery]):
    """Every delivery by its id, in the order of the first attempts."""

    def add_attempt(self, delivery_id: str, webhook: dict[str, Any], attempt: Attempt) -> None:
        """Note one more attempt of the delivery of that id, which is new at its first."""
        known = self.find(delivery_id) or WebhookDelivery(delivery_id, webhook, ())
        self.put(replace(known, attempts=(*known.attempts, attempt)))


def list_deliveries(account: "Account", call: OperationCall) -> Answer:
    """List the deliveries that fit the filters, the latest first."""
    if call.query.get("filter[status][eq]", "delivered") not in ("delivered", "failed"):
        raise refusal(422, "10015", "Bad Request", "The status must be delivered or failed.")
    started = time_filter(call, "filter[started_at][gte]", "filter[started_at][lte]", status=422)
    finished = time_filter(call, "filter[finished_at][gte]", "filter[finished_at][lte]", status=422)
    found = [
        delivery
        for delivery in account.webhook_deliveries
        if started(delivery.started_at) and finished(delivery.finished_at) and _fits(delivery, call)
    ]
    return page(call, found[::-1], show=WebhookDelivery.as_json)


def retrieve_delivery(account: "Account", call: OperationCall) -> Answer:
    """Show one delivery with all its attempts."""
    return Answer({"data": account.webhook_deliveries.known(call.parameters["id"]).as_json()})


def _fits(delivery: WebhookDelivery, call: OperationCall) -> bool:
    query, types = call.query, call.query.get("filter[event_type]")
    return (
        query.get("filter[status][eq]") in (None, delivery.status)
        and (types is None or delivery.webhook.get("event_type") in types.split(","))
        and _holds(query.get("filter[webhook][contains]"), lambda: delivery.webhook)
        and _holds(query.get("filter[attempts][contains]"), lambda: delivery.as_json()["attempts"])
    )


def _holds(text: str | None, value: Callable[[], Any]) -> bool:
    return text is None or text in orjson.dumps(value()).decode()


def _pairs(headers: dict[str, str]) -> list[list[str]]:
    return [list(header) for header in headers.items()]
