"""The webhook URLs of agents, messaging profiles, 10DLC brands and campaigns: read and changed at Telnyx."""

from typing import Any

from telnyx import AsyncTelnyx, NotFoundError, PermissionDeniedError, omit

from service.outbound.list_pages import rows_of
from service.registrations.ten_dlc import kinds, readings
from service.registrations.ten_dlc.following import PAGE
from service.registrations.webhook_urls import Destination, Kind, Values

_LOCKED = "a change of a rejected one sends it back into review: its URLs change with your next update of it"


async def all_destinations(telnyx: AsyncTelnyx) -> list[Destination]:
    """Return every agent, messaging profile, brand and campaign of the account, from all pages.

    Raises:
        telnyx.APIError: Telnyx refuses, or cannot be reached.
    """
    found = [_agent(each) async for each in rows_of(telnyx.messaging.rcs.agents.list(), "RCS agents")]
    profiles = rows_of(telnyx.messaging_profiles.list(), "messaging profiles")
    found += [_profile(each) async for each in profiles]
    return found + await _of_ten_dlc(telnyx)


async def find_destination(telnyx: AsyncTelnyx, kind: Kind, destination_id: str) -> Destination | None:
    """Return one of them, or None where there is none of that id. Brands and campaigns have two ids each.

    Raises:
        telnyx.APIError: Telnyx refuses for another reason, or cannot be reached.
    """
    if kind == "brand":
        brand = await readings.find_brand(telnyx, destination_id)
        return None if brand is None else _brand(brand)
    if kind == "campaign":
        campaign = await readings.find_campaign(telnyx, destination_id)
        return None if campaign is None else _campaign(campaign)
    try:
        if kind == "agent":
            return _agent((await telnyx.messaging.rcs.agents.retrieve(destination_id)).data)
        return _profile((await telnyx.messaging_profiles.retrieve(destination_id)).data)
    except NotFoundError:
        return None


async def change_destination(telnyx: AsyncTelnyx, kind: Kind, destination_id: str, values: Values) -> None:
    """Change these fields and no others. None clears one.

    Raises:
        telnyx.APIError: Telnyx refuses, or cannot be reached.
    """
    given: Any = dict(values)
    if kind == "agent":
        url, failover_url = values.get("webhook_url", omit), values.get("webhook_failover_url", omit)
        await telnyx.messaging.rcs.agents.update(destination_id, webhook_url=url, webhook_failover_url=failover_url)
    elif kind == "profile":
        await telnyx.messaging_profiles.update(destination_id, **given)
    elif kind == "brand":
        brand = await telnyx.messaging_10dlc.brand.retrieve(destination_id)
        # PUT requires these five, so they go back unchanged.
        needed: Any = {name: getattr(brand, name) for name in _NEEDED}
        await telnyx.messaging_10dlc.brand.update(destination_id, **needed, **given)
    else:
        await _change_campaign(telnyx, destination_id, given)


async def _change_campaign(telnyx: AsyncTelnyx, campaign_id: str, given: Any) -> None:
    found, ten_dlc = await readings.find_campaign(telnyx, campaign_id), telnyx.messaging_10dlc
    if found is not None and readings.campaign_reading(found.row).details["shared"]:
        await ten_dlc.partner_campaigns.update(campaign_id, **given)
    else:
        await ten_dlc.campaign.update(campaign_id, **given)


_NEEDED = ("country", "display_name", "email", "entity_type", "vertical")
"""Source: SDK 4.189, `BrandUpdateParams`."""


async def _of_ten_dlc(telnyx: AsyncTelnyx) -> list[Destination]:
    """Return the brands and campaigns, none where the key may not read 10DLC. Only they themselves have their URLs."""
    ten_dlc, found = telnyx.messaging_10dlc, list[Destination | None]()
    try:
        brands = [each.brand_id async for each in rows_of(ten_dlc.brand.list(records_per_page=PAGE), "brands")]
        for brand in filter(None, brands):
            found.append(await find_destination(telnyx, "brand", brand))
            campaigns = rows_of(ten_dlc.campaign.list(brand_id=brand, records_per_page=PAGE), "campaigns of a brand")
            found += [_campaign(readings.Campaign(row.campaign_id or "", row)) async for row in campaigns]
        shared = rows_of(ten_dlc.partner_campaigns.list(records_per_page=PAGE), "shared campaigns")
        found += [_campaign(readings.Campaign(row.tcr_campaign_id, row)) async for row in shared]
    except (PermissionDeniedError, NotFoundError):
        return []
    return [each for each in found if each is not None]


def _agent(agent: Any) -> Destination:
    return Destination("agent", agent.agent_id or "", agent.agent_name or "", _urls(agent))


def _profile(profile: Any) -> Destination:
    values = {**_urls(profile), "webhook_api_version": profile.webhook_api_version}
    return Destination("profile", profile.id or "", profile.name or "", values)


def _brand(brand: Any) -> Destination:
    locked = _LOCKED if brand.status == "REGISTRATION_FAILED" else ""
    return Destination("brand", brand.brand_id or "", brand.display_name or "", _urls(brand), locked)


def _campaign(campaign: readings.Campaign) -> Destination:
    [now] = readings.campaign_reading(campaign.row).history
    name = f"{campaign.row.usecase or ''} {campaign.row.brand_display_name or ''}".strip()
    return Destination(
        "campaign", campaign.id, name, _urls(campaign.row), _LOCKED if now.status in kinds.REJECTED else ""
    )


def _urls(found: Any) -> dict[str, str | None]:
    """Return both URLs. An empty one, as some answers of Telnyx have it, is None."""
    return {"webhook_url": found.webhook_url or None, "webhook_failover_url": found.webhook_failover_url or None}
