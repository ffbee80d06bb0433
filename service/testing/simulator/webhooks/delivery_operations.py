"""`GET /webhook_deliveries` and `GET /webhook_deliveries/{id}`."""

from typing import Any

import orjson

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import not_found, refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.filters import time_filter
from service.testing.simulator.api.pages import page
from service.testing.simulator.webhooks.deliveries import WebhookDelivery


def list_deliveries(account: Account, call: OperationCall) -> Answer:
    """List the deliveries that fit the filters, the latest first.

    Raises:
        ApiError: 422, a filter does not fit; 400, a page is out of range.
    """
    _check_status(call)
    started = time_filter(call, "filter[started_at][gte]", "filter[started_at][lte]", status=422)
    finished = time_filter(call, "filter[finished_at][gte]", "filter[finished_at][lte]", status=422)
    found = [
        delivery.as_json()
        for delivery in account.webhook_deliveries
        if started(delivery.started_at) and finished(delivery.finished_at) and _fits(delivery, call)
    ]
    return page(call, found[::-1])


def retrieve_delivery(account: Account, call: OperationCall) -> Answer:
    """Show one delivery with all its attempts.

    Raises:
        ApiError: 404, there is no such delivery.
    """
    delivery = account.webhook_deliveries.find(call.parameters["id"])
    if delivery is None:
        raise not_found()
    return Answer({"data": delivery.as_json()})


def _check_status(call: OperationCall) -> None:
    if call.query.get("filter[status][eq]", "delivered") not in ("delivered", "failed"):
        raise refusal(422, "10015", "Bad Request", "The status must be delivered or failed.")


def _fits(delivery: WebhookDelivery, call: OperationCall) -> bool:
    query, types = call.query, call.query.get("filter[event_type]")
    return (
        query.get("filter[status][eq]") in (None, delivery.status)
        and (types is None or delivery.webhook.get("event_type") in types.split(","))
        and query.get("filter[webhook][contains]", "") in _text(delivery.webhook)
        and query.get("filter[attempts][contains]", "") in _text(delivery.as_json()["attempts"])
    )


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()
