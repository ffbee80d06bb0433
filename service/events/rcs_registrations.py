"""The payloads of Ringback's own events about the registration of RCS brands and agents.

Telnyx sends no webhooks about it. Sources of statuses and fields: SDK 4.189, `rcs.BrandResponse`, `rcs.AgentResponse`
and `rcs.CarrierApprovalResponse`.
"""

from datetime import datetime

from pydantic import Field

from service.events.tolerant_model import TolerantModel


class _Changed(TolerantModel):
    """One change of a status, raised once. `previous` is None for the first known status."""

    id: str
    status: str
    previous: str | None = None
    reason: str | None = None
    changed_at: datetime | None = None


class RcsBrandStatusChanged(_Changed):
    """A change of a brand: CREATED, CONFIGURED, SUBMITTED, REVIEWING, VETTING, VERIFIED, REJECTED or FAILED.

    The API gives no reason of a rejection.
    """

    display_name: str | None = None


class RcsAgentStatusChanged(_Changed):
    """A change of an agent, from CREATED to LIVE, REJECTED or FAILED, or of the sections that were rejected.

    `reason` names these sections: basics, campaign, testing. `sections` has the status of each that was submitted.
    """

    display_name: str | None = None
    brand_id: str | None = None
    sections: dict[str, str] = Field(default_factory=dict)


class RcsCarrierApprovalStatusChanged(_Changed):
    """A change of a carrier's answer about an agent: PENDING, SUBMITTED, APPROVED or REJECTED, with its own reason.

    Some providers answer for a hub or a bot (`scope_type`) in place of a carrier.
    """

    agent_id: str | None = None
    display_name: str | None = None
    carrier: str | None = None
    scope_type: str | None = None


class RcsTestDeviceStatusChanged(_Changed):
    """A change of the answer of a test number to an agent's invitation: PENDING, ACCEPTED or DECLINED."""

    agent_id: str | None = None
    display_name: str | None = None
    phone_number: str | None = None
