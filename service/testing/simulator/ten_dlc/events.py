"""Webhooks of 10DLC, in the form of Telnyx's page (an envelope) or of its OpenAPI document (flat).

Source: knowledge base, 10DLC event notifications, and OpenAPI `CampaignStatusUpdateEvent`.
"""

from typing import TYPE_CHECKING, Any, Literal

from service.testing.simulator.webhooks.deliveries import WebhookEvent, WebhookTarget, new_event

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

Shape = Literal["enveloped", "flat"]
"""The form of a webhook."""
Family = Literal["brand", "campaign", "phone_number"]


def send_update(
    account: "Account", family: Family, payload: dict[str, Any], destination: WebhookTarget, shape: Shape | None
) -> None:
    """Send the webhook about an update in the background. Without a shape none is sent."""
    if shape is None:
        return
    told = {name: value for name, value in payload.items() if value is not None}
    if shape == "flat":
        event = WebhookEvent(told, account.clock.now(), flat=True)
    else:
        event = new_event(account.clock, account.identifiers, f"10dlc.{family}.update", told)
    account.courier.send(event, destination)
