"""The way of a campaign through its reviews: by the clock, and by scripted steps. Each sends its webhook."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from service.testing.simulator.api.fields import ControlBody
from service.testing.simulator.ten_dlc.campaigns import Campaign, CampaignStatus
from service.testing.simulator.ten_dlc.carriers import MNO_IDS, Carrier
from service.testing.simulator.ten_dlc.events import Shape, send_update

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

DAY = 86400.0
REVIEW: tuple[tuple[float, CampaignStatus], ...] = (
    (60.0, "TCR_ACCEPTED"),
    (DAY, "TELNYX_ACCEPTED"),
    (60.0, "MNO_PENDING"),
    (2 * DAY, "MNO_PROVISIONED"),
)
"""Simulated seconds until the next status of a campaign that nobody decides on. They are ours."""
DORMANT_AFTER = 15 * DAY
"""Simulated seconds without a number after which a campaign is dormant. Source: support.telnyx.com, 10723378."""

Step = Literal[CampaignStatus, "DORMANT", "SUSPENDED", "UNSUSPENDED", "NUDGED"]


class CampaignStep(ControlBody):
    """A step of a campaign, and the form of the webhook (null: none).

    `carrier` is the one that suspends, else all do. A suspension ends after so many simulated `seconds`.
    """

    status: Step
    reason: str | None = None
    carrier: Carrier | None = None
    seconds: float | None = Field(None, ge=0)
    nudge_intent: Literal["REVIEW", "APPEAL_REJECTION"] = "APPEAL_REJECTION"
    shape: Shape | None = "enveloped"


def begin_review(account: "Account", campaign: Campaign) -> Campaign:
    """Put a campaign into review, which goes on by the clock until somebody takes a step."""
    account.campaigns.put(campaign)
    account.background.start(partial(_review, account, campaign))
    return campaign


def move_campaign(account: "Account", campaign_id: str, step: CampaignStep) -> Campaign:
    """Take a step, and send the webhook to the campaign's URLs.

    Raises:
        ApiError: 404, there is no such campaign.
    """
    campaign = account.campaigns.known(campaign_id)
    moved = _move(account, replace(campaign, run=campaign.run + 1), step)
    if step.status == "SUSPENDED" and step.seconds is not None:
        account.background.start(partial(_end_suspension, account, moved, step, account.clock.now() + step.seconds))
    if step.status == "NUDGED":
        begin_review(account, moved)
    return moved


def _move(account: "Account", campaign: Campaign, step: CampaignStep) -> Campaign:
    moved = replace(campaign, updated_at=account.clock.now(), **_after(campaign, step))
    account.campaigns.put(moved)
    payload = {"campaignId": campaign.id, "brandId": campaign.brand_id, **_told(moved, step)}
    if step.status == "NUDGED":
        payload = {"campaignId": campaign.tcr_id, **_told(moved, step)}
    send_update(account, "campaign", payload, campaign.destination, step.shape)
    return moved


def _after(campaign: Campaign, step: CampaignStep) -> dict[str, Any]:
    """Return what changes."""
    if step.status == "DORMANT":
        return {"dormant": True}
    if step.status == "NUDGED":
        return {"status": "TCR_ACCEPTED", "failure_reasons": None}
    if step.status in ("SUSPENDED", "UNSUSPENDED"):
        return _suspension(campaign, step)
    failed = step.status.endswith(("FAILED", "REJECTED", "SUSPENDED"))
    return {"status": step.status, "failure_reasons": step.reason if failed else None, "dormant": False}


def _suspension(campaign: Campaign, step: CampaignStep) -> dict[str, Any]:
    if step.carrier is None:
        status = "TCR_SUSPENDED" if step.status == "SUSPENDED" else "MNO_PROVISIONED"
        ended: dict[str, Any] = {} if step.status == "SUSPENDED" else {"suspended_by": frozenset()}
        return {"status": status, "failure_reasons": step.reason, **ended}
    named = frozenset({step.carrier})
    by = campaign.suspended_by | named if step.status == "SUSPENDED" else campaign.suspended_by - named
    return {"suspended_by": by}


_TOLD: Mapping[str, dict[str, str]] = {
    "TCR_ACCEPTED": {"type": "TCR_EVENT", "eventType": "CAMPAIGN_ADD"},
    "TCR_EXPIRED": {"type": "TCR_EVENT", "eventType": "CAMPAIGN_EXPIRED"},
    "TELNYX_ACCEPTED": {"type": "TELNYX_REVIEW", "status": "ACCEPTED"},
    "TELNYX_FAILED": {"type": "TELNYX_REVIEW", "status": "REJECTED"},
    "MNO_PENDING": {"type": "TCR_EVENT", "eventType": "MNO_CAMPAIGN_OPERATION_REVIEW"},
    "MNO_ACCEPTED": {"type": "MNO_REVIEW", "status": "ACCEPTED"},
    "MNO_REJECTED": {"type": "MNO_REVIEW", "status": "REJECTED"},
    "MNO_PROVISIONED": {"type": "VERIFIED"},
    "SUSPENDED": {"type": "TCR_EVENT", "eventType": "MNO_CAMPAIGN_OPERATION_SUSPENDED"},
    "UNSUSPENDED": {"type": "TCR_EVENT", "eventType": "MNO_CAMPAIGN_OPERATION_UNSUSPENDED"},
    "DORMANT": {"type": "TELNYX_EVENT", "status": "DORMANT"},
    "TCR_SUSPENDED": {"type": "TELNYX_EVENT", "status": "DORMANT"},
}
"""The fields of a step's webhook. Source: knowledge base, 10DLC event notifications."""


def _told(campaign: Campaign, step: CampaignStep) -> dict[str, Any]:
    if step.status == "NUDGED":
        nudge = {"type": "CAMPAIGN_NUDGE", "nudgeIntent": step.nudge_intent, "cspId": "SIMCSP"}
        return nudge | {"description": step.reason or "The campaign was reviewed again."}
    if step.status in ("TCR_FAILED", "MNO_PROVISIONING_FAILED"):
        reasons = [{"fields": ["sample1"], "description": step.reason or "The campaign could not be registered"}]
        return {"type": "REGISTRATION", "status": "failed", "reasons": reasons}
    named = {} if step.carrier is None else {"mnoName": step.carrier, "mnoId": int(MNO_IDS[step.carrier])}
    said = _TOLD.get(step.status, {"type": "TCR_EVENT", "eventType": "CAMPAIGN_UPDATE"})
    general = "Campaign has been marked as dormant" if said.get("status") == "DORMANT" else step.status
    description = step.reason or f"{campaign.tcr_id}: {general}"
    registered = {"isTMobileRegistered": True} if step.status == "MNO_PROVISIONED" else {}
    return {**said, **named, **registered, "description": description}


async def _review(account: "Account", begun: Campaign) -> None:
    due, statuses = account.clock.now(), [status for _, status in REVIEW]
    done = statuses.index(begun.status) + 1 if begun.status in statuses else 0
    for seconds, status in REVIEW[done:]:
        due += seconds
        if (campaign := await _still(account, begun, due)) is None:
            return
        _move(account, campaign, CampaignStep(status=status))
    campaign = await _still(account, begun, due + DORMANT_AFTER)
    if campaign is not None and not account.campaign_numbers.of_campaign(campaign.id):
        _move(account, campaign, CampaignStep(status="DORMANT"))


async def _end_suspension(account: "Account", suspended: Campaign, step: CampaignStep, due: float) -> None:
    if (campaign := await _still(account, suspended, due)) is not None:
        _move(account, campaign, CampaignStep(status="UNSUSPENDED", carrier=step.carrier, shape=step.shape))


async def _still(account: "Account", before: Campaign, due: float) -> Campaign | None:
    """Wait until the moment `due`. Return the campaign unless it is gone, or somebody has taken a step meanwhile."""
    await account.clock.until(due)
    campaign = account.campaigns.find(before.id)
    return campaign if campaign is not None and campaign.run == before.run else None
