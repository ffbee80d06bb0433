"""What Telnyx knows in a chaos run: registrations, the stories of their changes, and deliveries in vain."""

import uuid
from collections.abc import Sequence
from functools import partial

from service.testing.simulator import Simulator
from service.testing.simulator.hosted.orders import HostedNumber, HostedNumberOrder
from service.testing.simulator.ten_dlc.brands import Brand
from service.testing.simulator.ten_dlc.campaigns import Campaign
from service.testing.simulator.ten_dlc.numbers import CampaignNumber
from service.testing.simulator.tollfree.requests import StatusChange, VerificationRequest
from service.testing.simulator.webhooks.deliveries import Attempt, Exchange, WebhookDelivery
from tests.chaos.story import Story, Wait
from tests.telnyx_events import Body, envelope, finalized_rcs

REJECTED, INCOMPLETE = "toll-free rejected", "hosted order incomplete"
CAMPAIGN, CARRIER, NUMBER = "campaign suspended", "campaign suspended by one carrier", "number lost and assigned"
MISSED = "missed, then healed"
STOPS = (CAMPAIGN, CARRIER, NUMBER)
"""What stops the senders of a campaign for a while. Each campaign has one of these."""
SENDERS = 6
"""Campaigns, with one number each, whose sends are stopped at times. All other SMS go out from another number."""
PUBLIC_URL = "https://ringback.example/webhooks"
"""Where Telnyx could not deliver what is healed."""
BRAND = str(uuid.UUID(int=99))
T_MOBILE = "T-Mobile"
_EVENT = "MNO_CAMPAIGN_OPERATION"
_CAMPAIGN: Sequence[Body] = (
    {"type": "TCR_EVENT", "eventType": f"{_EVENT}_SUSPENDED"},
    {"type": "TCR_EVENT", "eventType": f"{_EVENT}_UNSUSPENDED"},
)
_NUMBER: Sequence[Body] = (
    {"type": "ASSIGNMENT", "status": "failed", "reasons": ["The campaign has too many numbers"]},
    {"type": "ASSIGNMENT", "status": "success", "reasons": []},
)
"""What webhooks say of the begin and of the end of a stop."""


def sender(place: int) -> str:
    """Return the number of a campaign."""
    return f"+1312555020{place}"


def campaign(place: int) -> str:
    """Return the id of a campaign. Its last character is the place, as that of its number is."""
    return str(uuid.UUID(int=place))


def register(simulator: Simulator) -> None:
    """Let Telnyx know the campaigns and their numbers."""
    account, now = simulator.account, simulator.clock.now()
    brand = {"displayName": "Acme", "country": "US", "entityType": "PRIVATE_PROFIT"}
    account.brands.put(Brand(BRAND, "BACME", brand, now, now, "OK", "VERIFIED"))
    for place in range(SENDERS):
        known = Campaign(campaign(place), f"CACME{place}", BRAND, {}, now, now, "MNO_PROVISIONED")
        account.campaigns.put(known)
        account.campaign_numbers.put(CampaignNumber(sender(place), known, now, now, "ASSIGNED"))


def prepare(simulator: Simulator, story: Story, place: int) -> None:
    """Let Telnyx know what the event at this place of a story tells of."""
    if story.kind == REJECTED:
        _review(simulator, story, place)
    elif story.kind == INCOMPLETE:
        _follow_order(simulator, story, place)
    elif story.kind == MISSED:
        _miss(simulator, story)
    elif story.kind in STOPS and place != 1:
        _stop_or_free(simulator, story, stops=place == 0)


def _review(simulator: Simulator, story: Story, place: int) -> None:
    request_id = story.bodies[place]["data"]["payload"]["verificationRequestId"]
    if place == 0:
        fields = {"businessName": "Acme LLC", "phoneNumbers": [{"phoneNumber": story.number}]}
        submitted = StatusChange("In Progress", simulator.clock.now())
        simulator.account.verification_requests.put(VerificationRequest(request_id, fields, (submitted,)))
    else:
        simulator.decide(request_id, status="Rejected", reason="No consent", shape=None)


def _follow_order(simulator: Simulator, story: Story, place: int) -> None:
    order_id = story.bodies[place]["data"]["payload"]["order_id"]
    if place == 0:
        hosted = HostedNumber(f"number-{order_id}", story.number)
        simulator.account.hosted_orders.put(HostedNumberOrder(order_id, None, (hosted,)))
    else:
        simulator.move_order(order_id, status="incomplete_documentation")


def _miss(simulator: Simulator, story: Story) -> None:
    [event_id], began = story.ids, simulator.clock.now() - 10
    tries = tuple(Attempt(PUBLIC_URL, began + n, began + n + 0.1, Exchange({})) for n in range(3))
    delivery = WebhookDelivery(f"delivery-{event_id}", story.bodies[0]["data"], tries)
    simulator.account.webhook_deliveries.put(delivery)


def _stop_or_free(simulator: Simulator, story: Story, *, stops: bool) -> None:
    said = story.bodies[0].get("data", {}).get("payload", story.bodies[0])
    if story.kind == NUMBER:
        status = "FAILED_ASSIGNMENT" if stops else "ASSIGNED"
        simulator.move_campaign_number(said["phoneNumber"], status=status, shape=None)
    else:
        status, carrier = "SUSPENDED" if stops else "UNSUSPENDED", said.get("mnoName")
        simulator.move_campaign(said["campaignId"], status=status, carrier=carrier, shape=None)


def rejected(phone: str, request: str) -> Story:
    """Return the story of a toll-free verification that is submitted and rejected."""
    body = partial(envelope, "toll_free_verification.status_update", {"verificationRequestId": request})
    return Story(REJECTED, phone, [body(), body()], 1, 1)


def incomplete(phone: str, order: str) -> Story:
    """Return the story of a hosted number order whose documents are incomplete."""
    body = partial(envelope, "messaging_hosted_numbers_orders.updated", {"order_id": order})
    return Story(INCOMPLETE, phone, [body(), body()], 1, 1)


def stopped(phone: str, message: str) -> Story:
    """Return the story of a sender that cannot send, and of a fallback that waits until it can again.

    Which campaign it is follows from the story's number.
    """
    place = int(phone[-4:]) % SENDERS
    kind = STOPS[place % len(STOPS)]
    family, said = ("phone_number", _NUMBER) if kind == NUMBER else ("campaign", _CAMPAIGN)
    named = {"brandId": BRAND, "campaignId": campaign(place)}
    named |= {"phoneNumber": sender(place)} if kind == NUMBER else {}
    named |= {"mnoName": T_MOBILE} if kind == CARRIER else {}
    # Half of the campaigns are told of in the flat form, where the content alone makes the identity.
    stops, frees = (
        {**named, **each, "description": message}
        if place < len(STOPS)
        else envelope(f"10dlc.{family}.update", named | each)
        for each in said
    )
    failed = finalized_rcs("delivery_failed", phone, id=message, tags=[f"sender {place}"])
    return Story(
        kind,
        phone,
        [stops, envelope("message.finalized", failed), frees],
        1,
        1,
        alone=campaign(place),
        waits={1: (Wait(0),), 2: (Wait(1, "held"),), 3: (Wait(1), Wait(2))},
        witness=f"+1312555030{place}",
        changes=2,
    )
