"""Lists of 10DLC: `page` and `recordsPerPage` in, `records`, `page` and `totalRecords` out. Times and URLs."""

from collections.abc import Iterable
from typing import Any

from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import RequestBody, WebAddress
from service.testing.simulator.api.lists import whole_number
from service.testing.simulator.webhooks.deliveries import WebhookTarget

MOST_RECORDS = 500
"""Records in a page. Source: SDK 4.189, `messaging_10dlc.brand.list`."""
DEFAULT_RECORDS = 10
PAUSES = (30.0,) * 4
"""Simulated seconds between five attempts. Source: knowledge base, 10DLC event notifications."""


def records(call: OperationCall, rows: Iterable[Any]) -> Answer:
    """Return the page of `rows` that `call` asks for. Source: SDK 4.189, `SyncPerPagePaginationV2`.

    Raises:
        ApiError: 400, a page number or size is out of range.
    """
    found = list(rows)
    page = whole_number(call, "page", 1)
    size = whole_number(call, "recordsPerPage", DEFAULT_RECORDS, MOST_RECORDS)
    return Answer({"records": found[(page - 1) * size : page * size], "page": page, "totalRecords": len(found)})


class WebhookUrls(RequestBody):
    """The URLs of a brand or a campaign, which every body may set. Null clears one."""

    webhookURL: WebAddress | None = None  # noqa: N815 - Telnyx's name
    webhookFailoverURL: WebAddress | None = None  # noqa: N815 - Telnyx's name


def target(fields: dict[str, Any]) -> WebhookTarget:
    """Return where the webhooks of a brand or a campaign go."""
    return WebhookTarget(fields.get("webhookURL"), fields.get("webhookFailoverURL"), PAUSES)
