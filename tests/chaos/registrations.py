"""Toll-free verifications of a chaos run: one is submitted at Telnyx, and one event later it is rejected."""

from service.testing.simulator import Simulator
from service.testing.simulator.tollfree.requests import StatusChange, VerificationRequest
from tests.chaos.stories import REJECTED, Story


def prepare(simulator: Simulator, story: Story, place: int) -> None:
    """Let Telnyx know what the event at this place of a story tells of."""
    if story.kind != REJECTED:
        return
    request_id = story.bodies[place]["data"]["payload"]["verificationRequestId"]
    if place == 0:
        fields = {"businessName": "Acme LLC", "phoneNumbers": [{"phoneNumber": story.number}]}
        submitted = StatusChange("In Progress", simulator.clock.now())
        simulator.account.verification_requests.put(VerificationRequest(request_id, fields, (submitted,)))
    else:
        simulator.decide(request_id, status="Rejected", reason="No consent", shape=None)
