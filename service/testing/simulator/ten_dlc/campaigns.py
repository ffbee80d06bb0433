"""10DLC campaigns: their form in the API, and the stores of brands and campaigns."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from service.testing.simulator.resources import Resources
from service.testing.simulator.simulated_clock import iso
from service.testing.simulator.ten_dlc.brands import CSP_ID
from service.testing.simulator.ten_dlc.carriers import MNO_IDS
from service.testing.simulator.ten_dlc.records import target
from service.testing.simulator.webhooks.deliveries import WebhookTarget

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

CampaignStatus = Literal[
    "TCR_PENDING", "TCR_SUSPENDED", "TCR_EXPIRED", "TCR_ACCEPTED", "TCR_FAILED", "TELNYX_ACCEPTED", "TELNYX_FAILED",
    "MNO_PENDING", "MNO_ACCEPTED", "MNO_REJECTED", "MNO_PROVISIONED", "MNO_PROVISIONING_FAILED",
]  # fmt: skip
"""Source: SDK 4.189, `TelnyxCampaignCsp.campaign_status`."""
REGISTERED: frozenset[CampaignStatus] = frozenset({"MNO_ACCEPTED", "MNO_PROVISIONED"})
"""The statuses in which carriers take messages of a campaign."""
REJECTED: frozenset[CampaignStatus] = frozenset({"TCR_FAILED", "TELNYX_FAILED", "MNO_REJECTED"})
RENEWAL = 90 * 86400.0
"""Seconds from one renewal of a campaign to the next."""


class _HasIds(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def tcr_id(self) -> str: ...


Item = TypeVar("Item", bound=_HasIds)


class ByEitherId(Resources[Item]):
    """Resources that are found by Telnyx's id and by that of The Campaign Registry."""

    def find(self, item_id: Any) -> Item | None:
        """Return the resource of that id, or None."""
        return super().find(item_id) or next((each for each in self if each.tcr_id == item_id), None)


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign. A `shared` one belongs to another provider, and its id is the registry's.

    `suspended_by` names carriers. `dormant` shows nowhere in the API. `run` counts the steps that were scripted: the
    automatic ones end with the first.
    """

    id: str
    tcr_id: str
    brand_id: str
    fields: dict[str, Any]
    created_at: float
    updated_at: float
    status: CampaignStatus = "TCR_PENDING"
    failure_reasons: str | None = None
    suspended_by: frozenset[str] = frozenset()
    dormant: bool = False
    shared: bool = False
    run: int = field(default=0, compare=False)

    @property
    def destination(self) -> WebhookTarget:
        """The URLs that its webhooks go to, and those of its numbers."""
        return target(self.fields)

    def takes(self, carrier: str) -> bool:
        """Return whether a carrier takes messages of this campaign."""
        return self.status in REGISTERED and not self.dormant and carrier not in self.suspended_by

    def operation_status(self) -> dict[str, str]:
        """Return the state at each carrier by its id in the registry. Telnyx does not publish this form."""
        general = "REGISTERED" if self.status in REGISTERED else "REVIEW"
        if self.status in ("TCR_SUSPENDED", "TCR_EXPIRED", "MNO_REJECTED"):
            general = self.status.partition("_")[2]
        return {number: "SUSPENDED" if name in self.suspended_by else general for name, number in MNO_IDS.items()}

    def as_json(self, brand: dict[str, Any]) -> dict[str, Any]:
        """Return the campaign as GET shows it. Source: SDK 4.189, `TelnyxCampaignCsp`."""
        ids = {"campaignId": self.id, "tcrCampaignId": self.tcr_id, "brandId": self.brand_id, "cspId": CSP_ID}
        named = {"tcrBrandId": brand.get("tcrBrandId"), "brandDisplayName": brand.get("displayName")}
        carrier = {
            "isTMobileRegistered": self.status in REGISTERED,
            "isTMobileSuspended": "T-Mobile" in self.suspended_by,
        }
        due = {"billedDate": iso(self.created_at), "nextRenewalOrExpirationDate": iso(self.created_at + RENEWAL)}
        return {**self.fields, **ids, **named, **self._states(), **carrier, **due}

    def as_partner_json(self) -> dict[str, Any]:
        """Return a shared campaign as GET shows it. Source: SDK 4.189, `TelnyxDownstreamCampaign`."""
        ids = {"tcrCampaignId": self.tcr_id, "tcrBrandId": self.brand_id}
        times = {"createdAt": iso(self.created_at), "updatedAt": iso(self.updated_at)}
        return {**self.fields, **ids, **times, "campaignStatus": self.status, "failureReasons": self.failure_reasons}

    def _states(self) -> dict[str, Any]:
        failed = self.status == "TCR_FAILED"
        return {
            "campaignStatus": self.status,
            "submissionStatus": "FAILED" if failed else "PENDING" if self.status == "TCR_PENDING" else "CREATED",
            "status": "EXPIRED" if self.status == "TCR_EXPIRED" else "ACTIVE",
            "failureReasons": self.failure_reasons,
            "createDate": str(int(self.created_at)),
            "mock": False,
        }


class Campaigns(ByEitherId[Campaign]):
    """The campaigns of the account, and those that were shared with it."""

    def of_brand(self, brand_id: str) -> list[Campaign]:
        """Return the campaigns of one brand."""
        return [each for each in self if each.brand_id == brand_id and not each.shared]

    def shared(self) -> Iterator[Campaign]:
        """Yield the campaigns of other providers."""
        return (each for each in self if each.shared)


def shown(account: "Account", campaign: Campaign) -> dict[str, Any]:
    """Return a campaign with what its brand adds."""
    brand = account.brands.find(campaign.brand_id)
    return campaign.as_json({} if brand is None else brand.as_json())
