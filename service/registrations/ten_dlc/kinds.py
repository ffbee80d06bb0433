"""The kinds of 10DLC registrations, and the statuses in which a person has to act or nothing can be sent.

Sources: SDK 4.189 (`TelnyxBrand`, `TelnyxCampaignCsp`, `PhoneNumberCampaign`), knowledge base, campaign status flow.
"""

from typing import Literal

from service.registrations.status_changes import Followed
from service.store.store import Store

Kind = Literal["brand", "campaign", "number_assignment"]
BRAND: Kind = "brand"
CAMPAIGN: Kind = "campaign"
NUMBER: Kind = "number_assignment"

DELETED = "DELETED"
"""A brand or a campaign that the API does not find."""
SUSPENDED = "MNO_SUSPENDED"
"""A campaign that some carriers suspend, while its own status says nothing of it."""
DORMANT = "DORMANT"
"""A campaign that Telnyx reported as dormant. The API does not show that."""
VETTING_FAILED = "VETTING_FAILED"
"""A brand whose vetting Telnyx reported as failed. The brand itself does not show that."""
UNASSIGNED = "UNASSIGNED"
"""A number that has no campaign."""
CARRIER_FAILED = "CARRIER_FAILED"
"""A number that is assigned, while a carrier's own mapping of it failed."""

REJECTED = frozenset({"TCR_FAILED", "TELNYX_FAILED", "MNO_REJECTED", "MNO_PROVISIONING_FAILED"})
APPEALABLE = frozenset({"TELNYX_FAILED", "MNO_REJECTED"})
"""The statuses that an appeal is for. Source: SDK 4.189, `campaign.submit_appeal`."""
SENDS_NOTHING = frozenset({*REJECTED, "TCR_SUSPENDED", "TCR_EXPIRED", DORMANT, DELETED})
"""Campaigns whose messages no carrier takes."""
REGISTERED = frozenset({"MNO_ACCEPTED", "MNO_PROVISIONED"})
"""Campaigns whose messages carriers take."""
HAS_NO_CAMPAIGN = frozenset({UNASSIGNED, "FAILED_ASSIGNMENT"})
"""Numbers whose messages no carrier takes (40010), until a person acts."""
NOT_YET_ASSIGNED = HAS_NO_CAMPAIGN | {"PENDING_ASSIGNMENT"}

BEGINNINGS = frozenset({"TCR_PENDING", "REGISTRATION_PENDING", "PENDING_ASSIGNMENT"})
"""Statuses that are no change if they are the first ones to be seen."""

NEEDS_PERSON: dict[Kind, frozenset[str]] = {
    BRAND: frozenset({"REGISTRATION_FAILED", "UNVERIFIED", VETTING_FAILED, DELETED}),
    CAMPAIGN: SENDS_NOTHING | {SUSPENDED},
    NUMBER: HAS_NO_CAMPAIGN | {"FAILED_UNASSIGNMENT", CARRIER_FAILED},
}


def followed(store: Store, kind: Kind) -> Followed:
    """Return the known states of all registrations of a kind."""
    return Followed(store, kind, NEEDS_PERSON[kind])
