"""Brands and campaigns as Telnyx shows them now, with what a person has to do: for commands and pages."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from telnyx import AsyncTelnyx

from service.outbound.list_pages import rows_of
from service.registrations.status_changes import Known, Reading, Status
from service.registrations.ten_dlc import kinds, readings
from service.registrations.ten_dlc.following import PAGE
from service.registrations.ten_dlc.notices import Remedy, remedy_for


@dataclass(frozen=True, slots=True)
class Overview:
    """One brand or campaign. `numbers` counts what a list names, `remedy` is None where nobody has to act."""

    kind: kinds.Kind
    id: str
    tcr_id: str | None
    name: str
    status: str
    reason: str | None
    shared: bool = False
    numbers: int | None = None
    remedy: Remedy | None = field(default=None)

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return asdict(self)


async def overview(telnyx: AsyncTelnyx, known: Mapping[str, Known]) -> list[Overview]:
    """Return all brands, each followed by its campaigns, and then the campaigns that others share.

    `known` are the last known states by id. They tell what lists do not show: one carrier's suspension, dormancy.

    Raises:
        telnyx.APIError: Telnyx refuses, or cannot be reached.
    """
    ten_dlc, found = telnyx.messaging_10dlc, list[Overview]()
    async for brand in rows_of(ten_dlc.brand.list(records_per_page=PAGE), "brands"):
        found.append(_of_brand(brand.brand_id or "-", brand, known))
        asked = ten_dlc.campaign.list(brand_id=brand.brand_id or "", records_per_page=PAGE)
        async for row in rows_of(asked, "campaigns of a brand"):
            found.append(_of_campaign(row.campaign_id or "-", row, readings.campaign_reading(row), known))
    shared = rows_of(ten_dlc.partner_campaigns.list(records_per_page=PAGE), "shared campaigns")
    async for row in shared:
        found.append(_of_campaign(row.tcr_campaign_id, row, readings.campaign_reading(row), known))
    return found


def _of_campaign(campaign_id: str, row: Any, reading: Reading, known: Mapping[str, Known]) -> Overview:
    now, details = _now(reading, known.get(campaign_id)), reading.details
    remedy = remedy_for(kinds.CAMPAIGN, now.status, now.reason, shared=details["shared"])
    count = getattr(row, "assigned_phone_numbers_count", None)
    return Overview(
        kind=kinds.CAMPAIGN,
        id=campaign_id,
        tcr_id=details["tcr_id"],
        name=f"{row.usecase or '-'} of {row.brand_display_name or details['brand_id'] or '-'}",
        status=now.status,
        reason=now.reason,
        shared=details["shared"],
        numbers=None if count is None else int(count),
        remedy=remedy and remedy.about(campaign_id, campaign_id),
    )


def _of_brand(brand_id: str, row: Any, known: Mapping[str, Known]) -> Overview:
    reading = readings.brand_reading(row)
    now, details = _now(reading, known.get(brand_id)), reading.details
    remedy = remedy_for(kinds.BRAND, now.status, now.reason)
    return Overview(
        kinds.BRAND,
        brand_id,
        details["tcr_id"],
        details["name"] or "-",
        now.status,
        now.reason,
        remedy=remedy and remedy.about(brand_id),
    )


def _now(reading: Reading, known: Known | None) -> Status:
    """Return the status of a reading. A known one that lists do not show holds while the rest is the same."""
    [now] = reading.history
    if known is None or known.version != reading.version or known.status not in _NOT_IN_LISTS:
        return now
    carriers = known.about.get("carriers") or ()
    return Status(known.status, ", ".join(carriers) or now.reason)


_NOT_IN_LISTS = frozenset({kinds.SUSPENDED, kinds.DORMANT, kinds.VETTING_FAILED})


@dataclass(frozen=True, slots=True)
class Details:
    """One campaign with the state at each carrier, and its numbers."""

    campaign: Overview
    carriers: dict[str, str]
    numbers: list[dict[str, Any]]
    webhook_url: str | None


async def details_of(telnyx: AsyncTelnyx, campaign_id: str, known: Mapping[str, Known]) -> Details | None:
    """Return a campaign by either id, or None. `known` are the last known states by id.

    Raises:
        telnyx.APIError: Telnyx refuses otherwise, or cannot be reached.
    """
    found = await readings.find_campaign(telnyx, campaign_id)
    if found is None:
        return None
    carriers = await readings.carrier_states(telnyx, found.id)
    suspended = [name for name, state in carriers.items() if readings.is_suspended(state)]
    reading = readings.campaign_reading(found.row, suspended_by=suspended)
    # The carriers were asked just now, so only dormancy is still to be known.
    dormant = {name: each for name, each in known.items() if each.status == kinds.DORMANT and not suspended}
    campaign = _of_campaign(found.id, found.row, reading, dormant)
    by = {"tcr_campaign_id": found.id} if campaign.shared else {"telnyx_campaign_id": found.id}
    asked = telnyx.messaging_10dlc.phone_number_campaigns.list(filter=by, records_per_page=PAGE)  # type: ignore[arg-type]
    numbers = [each.to_dict(mode="json") async for each in rows_of(asked, "numbers of a campaign")]
    return Details(campaign, carriers, numbers, found.row.webhook_url)


async def feedback_on(telnyx: AsyncTelnyx, brand_id: str) -> list[str] | None:
    """Return the registry's feedback on a brand, or None where there is no such brand.

    Raises:
        telnyx.APIError: Telnyx refuses otherwise, or cannot be reached.
    """
    brand = await readings.find_brand(telnyx, brand_id)
    if brand is None:
        return None
    answer = await telnyx.messaging_10dlc.brand.get_feedback(brand.brand_id or brand_id)
    return [f"{each.display_name}: {each.description} ({', '.join(each.fields)})" for each in answer.category]
