"""Brands and campaigns that a submission would register a second time: Telnyx has no `Idempotency-Key` for them."""

from telnyx import AsyncTelnyx, BadRequestError, NotFoundError

from service.outbound.list_pages import rows_of
from service.registrations.ten_dlc.following import PAGE
from service.registrations.ten_dlc.readings import campaign_reading
from service.registrations.ten_dlc.submissions import TenDlcBrand, TenDlcCampaign


async def same_brand(telnyx: AsyncTelnyx, wanted: TenDlcBrand) -> str | None:
    """Return the id of a brand with this name and kind of business, or None.

    Raises:
        telnyx.APIError: Telnyx refuses, or cannot be reached.
    """
    listed = telnyx.messaging_10dlc.brand.list(
        display_name=wanted.display_name, entity_type=wanted.entity_type, records_per_page=PAGE
    )
    async for row in rows_of(listed, "brands"):
        if (row.display_name, row.entity_type) == (wanted.display_name, wanted.entity_type):
            return str(row.brand_id)
    return None


async def same_campaign(telnyx: AsyncTelnyx, wanted: TenDlcCampaign) -> str | None:
    """Return the id of the brand's campaign with this use case and description, or None. An expired one does not count.

    Raises:
        telnyx.APIError: Telnyx refuses, or cannot be reached.
    """
    listed = telnyx.messaging_10dlc.campaign.list(brand_id=wanted.brand_id, records_per_page=PAGE)
    try:
        async for row in rows_of(listed, "campaigns of a brand"):
            [now] = campaign_reading(row).history
            told = row.to_dict(mode="json")
            is_same = (told.get("usecase"), told.get("description")) == (wanted.usecase, wanted.description)
            if is_same and now.status != "TCR_EXPIRED":
                return str(row.campaign_id)
    except (BadRequestError, NotFoundError):
        # No such brand: Telnyx says so when the campaign is submitted.
        return None
    return None
