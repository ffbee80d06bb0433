"""Brands, campaigns and numbers at the simulator, as tests register them."""

from typing import Any

import telnyx

from service.testing.simulator import Simulator

NUMBER = "+13125550199"
BRAND: dict[str, Any] = {
    "country": "US",
    "display_name": "Acme",
    "email": "ann@acme.example",
    "entity_type": "PRIVATE_PROFIT",
    "vertical": "TECHNOLOGY",
}
CAMPAIGN: dict[str, Any] = {
    "description": "Codes to sign in with, for people who asked for them",
    "usecase": "2FA",
    "sample1": "Your code is 123456. Reply STOP to opt out.",
    "terms_and_conditions": True,
}


def new_brand(client: telnyx.Telnyx, simulator: Simulator, **changes: Any) -> str:
    """Register a brand, which is verified at once and without a webhook."""
    brand = client.messaging_10dlc.brand.create(**(BRAND | changes))
    simulator.move_brand(str(brand.brand_id), status="VERIFIED", shape=None)
    return str(brand.brand_id)


def submit_campaign(client: telnyx.Telnyx, brand: str, **changes: Any) -> str:
    """Submit a campaign."""
    return client.messaging_10dlc.campaign_builder.submit(brand_id=brand, **(CAMPAIGN | changes)).campaign_id


def provisioned(client: telnyx.Telnyx, simulator: Simulator, *numbers: str, **changes: Any) -> str:
    """Return a campaign that carriers take, with these numbers. No webhook tells of it."""
    campaign = submit_campaign(client, new_brand(client, simulator), **changes)
    simulator.move_campaign(campaign, status="MNO_PROVISIONED", shape=None)
    for number in numbers:
        client.messaging_10dlc.phone_number_campaigns.create(campaign_id=campaign, phone_number=number)
        simulator.move_campaign_number(number, status="ASSIGNED", shape=None)
    return campaign
