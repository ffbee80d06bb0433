"""Events: what Telnyx says happened, as a handler receives it, and the envelope in which it arrives. Pure."""

from service.events.event import (
    PROBE_TYPE,
    Envelope,
    Event,
    InvalidBody,
    Payload,
    read_envelope,
    read_event,
    read_object,
)
from service.events.message import Media, Message, MessageBody, MessageError, Party
from service.events.rcs_registrations import (
    RcsAgentStatusChanged,
    RcsBrandStatusChanged,
    RcsCarrierApprovalStatusChanged,
    RcsTestDeviceStatusChanged,
)
from service.events.registrations import (
    BrandStatusChanged,
    CampaignStatusChanged,
    HostedNumber,
    HostedNumberOrder,
    NumberAssignmentStatusChanged,
    Reason,
    TenDlcUpdate,
    TollFreeStatusChanged,
    TollFreeUpdate,
)
from service.events.tolerant_model import TolerantModel, read_time

__all__ = [
    "PROBE_TYPE",
    "BrandStatusChanged",
    "CampaignStatusChanged",
    "Envelope",
    "Event",
    "HostedNumber",
    "HostedNumberOrder",
    "InvalidBody",
    "Media",
    "Message",
    "MessageBody",
    "MessageError",
    "NumberAssignmentStatusChanged",
    "Party",
    "Payload",
    "RcsAgentStatusChanged",
    "RcsBrandStatusChanged",
    "RcsCarrierApprovalStatusChanged",
    "RcsTestDeviceStatusChanged",
    "Reason",
    "TenDlcUpdate",
    "TolerantModel",
    "TollFreeStatusChanged",
    "TollFreeUpdate",
    "read_envelope",
    "read_event",
    "read_object",
    "read_time",
]
