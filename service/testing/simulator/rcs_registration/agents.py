"""RCS agents under registration, as Telnyx shows them. Source: SDK 4.189, `rcs.AgentResponse`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from service.testing.simulator.rcs_registration.brands import CAPABILITIES

AgentStatus = Literal[
    "CREATED", "SUBMITTED", "VERIFYING", "VERIFIED", "LAUNCHING", "LAUNCHED", "LIVE", "REJECTED", "FAILED"
]
Section = Literal["basics", "campaign", "testing"]
SectionStatus = Literal["SUBMITTED", "APPROVED", "REJECTED"]
ApprovalStatus = Literal["PENDING", "SUBMITTED", "APPROVED", "REJECTED"]
InviteStatus = Literal["PENDING", "ACCEPTED", "DECLINED"]

CARRIERS = ("AT&T", "T-Mobile", "Verizon")
_UNKNOWN = {"basics_status": None, "campaign_status": None, "testing_status": None, "billing_category": None}


@dataclass(frozen=True, slots=True)
class CarrierApproval:
    """The answer of one carrier. Source: SDK 4.189, `rcs.CarrierApprovalResponse`."""

    approval_id: str
    carrier: str
    status: ApprovalStatus = "PENDING"
    rejected_reason: str | None = None
    submitted_at: str | None = None
    approved_at: str | None = None
    scope_type: Literal["carrier", "hub", "bot"] = "carrier"


@dataclass(frozen=True, slots=True)
class TestDevice:
    """One test number. Source: SDK 4.189, `rcs.agents.TestDeviceResponse`."""

    __test__ = False

    test_device_id: str
    phone_number: str
    invite_status: InviteStatus = "PENDING"


@dataclass(frozen=True, slots=True)
class RegisteredAgent:
    """One agent. `planned` are the decisions to come, each with its time (seconds since 1970)."""

    id: str
    fields: dict[str, Any] = field(repr=False)
    status: AgentStatus = "CREATED"
    sections: Mapping[Section, SectionStatus] = field(default_factory=dict)
    approvals: tuple[CarrierApproval, ...] = ()
    test_devices: tuple[TestDevice, ...] = ()
    planned: tuple[tuple[float, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the agent as Telnyx shows it."""
        sections = {f"{section}_status": status for section, status in self.sections.items()}
        shown = {
            "agent_id": self.id,
            "status": self.status,
            "capabilities": CAPABILITIES,
            "carrier_approvals": [asdict(each) for each in self.approvals],
            "test_devices": [asdict(each) for each in self.test_devices],
        }
        return {"hosting_region": None, "profile_id": None, **self.fields, **_UNKNOWN, **sections, **shown}

    def reaches(self, phone_number: str, carrier: str) -> bool:
        """Return whether it reaches a phone: a test device, or one whose carrier has approved it."""
        accepted = {each.phone_number for each in self.test_devices if each.invite_status == "ACCEPTED"}
        approved = {each.carrier for each in self.approvals if each.status == "APPROVED"}
        return phone_number in accepted or carrier in approved
