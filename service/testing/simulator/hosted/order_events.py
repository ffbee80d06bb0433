"""Webhooks about hosted number orders; they go to the URLs of the order's messaging profile.

Source: OpenAPI `HostedNumberOrderEvent`. Older pages show internal transfers as `….updated` with `approval_decision`,
and bodies without id, time and `meta`.
"""

from typing import Any, Literal

from service.testing.simulator.account import Account
from service.testing.simulator.hosted.orders import HostedNumberOrder
from service.testing.simulator.webhooks.deliveries import USER_ID
from service.testing.simulator.webhooks.events import WebhookEvent, new_event

PREFIX = "messaging_hosted_numbers_orders."

EventName = Literal[
    "created",
    "updated",
    "deleted",
    "internal_transfer_detected",
    "internal_transfer_approval_requested",
    "internal_transfer_approved",
    "internal_transfer_rejected",
    "internal_transfer_auto_approved",
]
Shape = Literal["current", "older"]


def tell(
    account: Account,
    name: EventName,
    order: HostedNumberOrder,
    *,
    shape: Shape = "current",
    number_statuses: dict[str, str] | None = None,
    **transfer: Any,
) -> None:
    """Send the event in the background; `number_statuses` are shown in place of those of the order."""
    profile_id = order.messaging_profile_id or account.profiles.default_id
    payload = {
        "order_id": order.id,
        "order_status": order.status,
        "profile_id": profile_id,
        "user_id": USER_ID,
        "numbers": _numbers(order, number_statuses or {}),
        **transfer,
    }
    event = new_event(account.clock, account.identifiers, PREFIX + name, payload)
    if shape == "older":
        event = _older(event)
    account.courier.send(event, account.profiles.destination(profile_id))


def _numbers(order: HostedNumberOrder, statuses: dict[str, str]) -> list[dict[str, str]]:
    return [
        {"value": number.phone_number, "status": statuses.get(number.phone_number, number.status)}
        for number in order.numbers
    ]


def _older(event: WebhookEvent) -> WebhookEvent:
    payload = dict(event.data["payload"])
    transfer = "decision" in payload
    if transfer:
        payload["approval_decision"] = payload.pop("decision")
    event_type = f"{PREFIX}updated" if transfer else event.type
    return WebhookEvent({"event_type": event_type, "payload": payload}, event.occurred_at, with_meta=False)
