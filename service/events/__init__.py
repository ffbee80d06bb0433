"""Events: what Telnyx says happened, as a handler receives it, and the envelope in which it arrives. Pure."""

from service.events.envelope import PROBE_TYPE, Envelope, InvalidBody, read_envelope, read_object
from service.events.event import Event, Payload, read_event
from service.events.hosted_number_order import HostedNumber, HostedNumberOrder
from service.events.message import Media, Message, MessageBody, MessageError, Party
from service.events.ten_dlc_update import Reason, TenDlcUpdate
from service.events.tolerant_model import TolerantModel, read_time
from service.events.toll_free_status_changed import TollFreeStatusChanged
from service.events.toll_free_update import TollFreeUpdate

__all__ = [
    "PROBE_TYPE",
    "Envelope",
    "Event",
    "HostedNumber",
    "HostedNumberOrder",
    "InvalidBody",
    "Media",
    "Message",
    "MessageBody",
    "MessageError",
    "Party",
    "Payload",
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
