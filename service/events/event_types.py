"""Event types: the patterns that name them, selections of them, and the types that are known. Pure.

Sources: the literals of the SDK's `UnwrapWebhookEvent`, and "10DLC event notifications" in Telnyx's knowledge base.
"""

from dataclasses import dataclass
from difflib import get_close_matches

ALL = "*"
LEFT_OUT = "!"

_TELNYX = """
10dlc.brand.update 10dlc.campaign.update 10dlc.phone_number.update message.echo message.finalized message.read
message.received message.sent messaging_hosted_numbers_orders.created messaging_hosted_numbers_orders.deleted
messaging_hosted_numbers_orders.internal_transfer_approval_requested
messaging_hosted_numbers_orders.internal_transfer_approved
messaging_hosted_numbers_orders.internal_transfer_auto_approved
messaging_hosted_numbers_orders.internal_transfer_detected messaging_hosted_numbers_orders.internal_transfer_rejected
messaging_hosted_numbers_orders.updated number_order.complete number_reputation.external_verification.status_changed
number_reputation.number.flagged number_reputation.number.removed whatsapp.account.update whatsapp.waba_added
call.ai_gather.ended call.ai_gather.message_history_updated call.ai_gather.partial_results call.analyzed call.answered
call.bridged call.conversation.created call.conversation.ended call.conversation.start_failed
call.conversation_insights.generated call.cost call.deepfake_detection.error call.deepfake_detection.result
call.dequeued call.dtmf.received call.enqueued call.fork.started call.fork.stopped call.gather.ended call.hangup
call.hold call.initiated call.machine.detection.ended call.machine.greeting.ended
call.machine.premium.call_screening.detected call.machine.premium.detection.ended
call.machine.premium.detection.started call.machine.premium.greeting.ended call.payment.completed
call.payment.progress call.playback.ended call.playback.started call.recording.error call.recording.saved
call.recording.transcription.saved call.refer.completed call.refer.failed call.refer.started call.speak.ended
call.speak.started call.transcription call.unhold
conference.created conference.ended conference.floor.changed conference.participant.joined conference.participant.left
conference.participant.playback.ended conference.participant.playback.started conference.participant.speak.ended
conference.participant.speak.started conference.playback.ended conference.playback.started conference.recording.saved
conference.speak.ended conference.speak.started
fax.delivered fax.failed fax.media.processed fax.queued fax.sending.started
siprec.failed siprec.started siprec.stopped streaming.failed streaming.started streaming.stopped
"""
_RINGBACK = """
sms_fallback.due toll_free_verification.status_changed hosted_number_order.status_changed
hosted_number_transfer.approval_due
"""

TYPES = frozenset(_TELNYX.split()) | frozenset(_RINGBACK.split())
"""Types of Telnyx, and types that Ringback itself raises for handlers."""

_CUTOFF = 0.85
"""Similarity from which a spelling counts as meant: two wrong letters in `message.received`."""


def is_pattern(text: str) -> bool:
    """Return whether a text is an event type, a family such as `10dlc.*`, or `*`."""
    return text == ALL or (bool(text) and ALL not in text.removesuffix(".*"))


def fits(pattern: str, event_type: str) -> bool:
    """Return whether a pattern matches this type, by the same rule as a claim's search for handlers."""
    if pattern.endswith(".*"):
        return event_type.startswith(pattern.removesuffix(ALL))
    return pattern in {ALL, event_type}


@dataclass(frozen=True, slots=True)
class Selection:
    """Some event types: those that `patterns` match, without those that `left_out` match."""

    patterns: tuple[str, ...]
    left_out: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Selection":
        """Read patterns between commas. `!` before one excludes its types.

        Raises:
            ValueError: an entry is no pattern, or nothing is selected.
        """
        entries = [entry.strip() for entry in text.split(",")]
        for entry in entries:
            if not is_pattern(entry.removeprefix(LEFT_OUT)):
                raise ValueError(f"{entry!r} is no event type, no family such as 10dlc.*, and not *")
        patterns = tuple(entry for entry in entries if not entry.startswith(LEFT_OUT))
        if not patterns:
            raise ValueError("nothing is selected: begin with *, as in *,!message.received")
        return cls(patterns, tuple(entry.removeprefix(LEFT_OUT) for entry in entries if entry.startswith(LEFT_OUT)))

    def holds(self, event_type: str, *, derived: bool = False) -> bool:
        """Return whether this type is selected. `*` stands for what Telnyx sends: a `derived` event must be named."""
        if any(fits(pattern, event_type) for pattern in self.left_out):
            return False
        return any(fits(pattern, event_type) for pattern in self.patterns if not (derived and pattern == ALL))


def nearest_type(pattern: str) -> str | None:
    """Return the known type or family that a pattern seems to misspell, or None."""
    known = _families() if pattern.endswith(".*") else TYPES
    if pattern in known:
        return None
    return next(iter(get_close_matches(pattern.lower(), known, n=1, cutoff=_CUTOFF)), None)


def _families() -> frozenset[str]:
    parts = (each.split(".") for each in TYPES)
    return frozenset(f"{'.'.join(each[:end])}.*" for each in parts for end in range(1, len(each)))
