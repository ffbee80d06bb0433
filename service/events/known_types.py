"""The event types that Telnyx is known to send, so that a misspelt one can be told. Pure.

Sources: the literals of the SDK's `UnwrapWebhookEvent`; "10DLC event notifications" in Telnyx's knowledge base.
"""

from difflib import get_close_matches

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


def nearest_type(pattern: str) -> str | None:
    """Return the known type or family that a pattern seems to misspell; None where it is known, or near none."""
    known = _families() if pattern.endswith(".*") else TYPES
    if pattern in known:
        return None
    return next(iter(get_close_matches(pattern.lower(), known, n=1, cutoff=_CUTOFF)), None)


def _families() -> frozenset[str]:
    parts = (each.split(".") for each in TYPES)
    return frozenset(f"{'.'.join(each[:end])}.*" for each in parts for end in range(1, len(each)))
