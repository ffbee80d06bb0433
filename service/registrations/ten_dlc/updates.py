"""The content of a 10DLC webhook: its registration, and the facts that the API may not show.

Sources: knowledge base, 10DLC event notifications. SDK 4.189, `CampaignStatusUpdate`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from service.events import TenDlcUpdate
from service.events.phone_number import canonical_number
from service.registrations.ten_dlc import kinds

Meaning = Literal["", "suspended", "resumed", "expired", "rejected", "dormant", "nudged", "verified", "vetting_failed"]

_NAMES: Mapping[str, Meaning] = {
    "MNO_CAMPAIGN_OPERATION_UNSUSPENDED": "resumed",
    "MNO_CAMPAIGN_OPERATION_SUSPENDED": "suspended",
    "MNO_CAMPAIGN_OPERATION_REJECTED": "rejected",
    "CAMPAIGN_EXPIRED": "expired",
    "CAMPAIGN_NUDGE": "nudged",
    "DORMANT": "dormant",
    "VERIFIED": "verified",
}
"""By the name of an event. Telnyx does not say in which field the registry's names stand."""
_FAILED = frozenset({"REJECTED", "FAILED"})
_WORD = re.compile(r"\w+")
OVERLAYS: Mapping[Meaning, str] = {"dormant": kinds.DORMANT, "vetting_failed": kinds.VETTING_FAILED}
"""The statuses that only events tell."""
OVERLAID: Mapping[Meaning, kinds.Kind] = {"dormant": kinds.CAMPAIGN, "vetting_failed": kinds.BRAND}
"""The kind of registration that has each of them."""
CONFIRMED_BY: Mapping[Meaning, frozenset[str]] = {
    "suspended": frozenset({"TCR_SUSPENDED", kinds.SUSPENDED}),
    "expired": frozenset({"TCR_EXPIRED"}),
    "rejected": kinds.REJECTED,
}
"""The statuses by which the API confirms an event."""


@dataclass(frozen=True, slots=True)
class Said:
    """The content of an update. `reason` is for a person. `carrier` suspends or rejects, if it is named.

    `at` is the update's time in seconds since 1970. It may arrive much later.
    """

    meaning: Meaning = ""
    reason: str | None = None
    carrier: str | None = None
    at: float | None = None

    @property
    def overlay(self) -> str | None:
        """The status that only this event tells."""
        return OVERLAYS.get(self.meaning)

    def about(self, kind: kinds.Kind) -> "Said":
        """Return it without a status that registrations of this kind do not have."""
        return self if OVERLAID.get(self.meaning, kind) == kind else replace(self, meaning="")

    def confirmed_by(self, status: str) -> bool:
        """Return whether the API's status is what the event says."""
        return status in CONFIRMED_BY.get(self.meaning, {status})


NOTHING = Said()


def read_update(update: TenDlcUpdate, occurred_at: datetime | None = None) -> Said:
    """Return what an update says."""
    at = occurred_at.timestamp() if occurred_at else None
    return Said(_meaning(update), _reason(update), update.carrier, at)


def subjects(update: TenDlcUpdate, event_type: str) -> list[tuple[kinds.Kind, str]]:
    """Return the registration that an update is about, by any of its ids, or another one that it names.

    A campaign's update names its brand too, and a number's its campaign.
    """
    number = canonical_number(update.phone_number)
    found: list[tuple[kinds.Kind, str | None]] = [
        (kinds.NUMBER, number),
        (kinds.CAMPAIGN, update.campaign_id or update.tcr_campaign_id),
        (kinds.BRAND, update.brand_id or update.tcr_brand_id),
    ]
    named = [(kind, given) for kind, given in found if given]
    family = event_type.split(".")[1:2]
    wanted = {"brand": kinds.BRAND, "campaign": kinds.CAMPAIGN, "phone_number": kinds.NUMBER}.get("".join(family))
    return [each for each in named if each[0] == wanted] or named[:1]


def _meaning(update: TenDlcUpdate) -> Meaning:
    kind, status = (update.type or "").upper(), (update.status or "").upper()
    if kind in ("ORDER_EXTERNAL_VETTING", "REVET"):
        return "vetting_failed" if status in _FAILED else "verified"
    for text in (update.event_type, update.type, update.status, update.description):
        for name, meaning in _NAMES.items():
            if text is not None and name in _WORD.findall(text.upper()):
                return meaning
    failed = status in _FAILED and kind in ("REGISTRATION", "TELNYX_REVIEW", "MNO_REVIEW")
    return "rejected" if failed and (update.campaign_id or update.tcr_campaign_id) else ""


def _reason(update: TenDlcUpdate) -> str | None:
    told = [each.description for each in update.reasons if each.description]
    return "; ".join(told) or update.description
