"""Lives of registrations: a status changes at Telnyx, and fallbacks wait until their sender may send again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from service.outbound.gate import CAMPAIGN
from service.store.effects.blocks import Block, open_blocks
from service.store.inbox import accept
from service.store.inbox.accept import NewEvent
from service.store.inbox.search import EventFilter, search
from service.store.store import Store
from tests.chaos.crash_trial import Trial
from tests.chaos.lives import Life
from tests.stack import SMS_FROM
from tests.telnyx_events import Body, envelope, finalized_rcs, fresh_number
from tests.testing.simulator.registration import BRAND
from tests.testing.simulator.submission import SUBMISSION
from tests.testing.simulator.ten_dlc import new_brand, provisioned, submit_campaign

CHANGES = """
from handlers import campaign_notices, campaign_probes, campaigns, rcs_registration, sms_fallback
from handlers import toll_free, toll_free_notices
from service import Router

router = Router(
    campaign_notices.router,
    campaign_probes.router,
    campaigns.router,
    rcs_registration.router,
    sms_fallback.router,
    toll_free.router,
    toll_free_notices.router,
)
"""


@dataclass
class Change(Life):
    """A status that changes at Telnyx, and is raised once."""

    known_as: str = ""

    handlers: ClassVar[str] = CHANGES
    messages: ClassVar[int] = 0
    raised: ClassVar[str]
    wanted: ClassVar[tuple[str, str]]

    def arrange(self) -> None:
        super().arrange()
        self.known_as = self.submit()
        first = f"first-{self.trial.name}"
        self.tell(first)
        self.trial.until(lambda: self.has_ended(first), "a first sight")
        self.decide()

    def begin(self) -> None:
        self.tell(self.event_id)

    def tell(self, event_id: str) -> None:
        """Let an event come that says something of it."""
        self.trial.deliver(self.body(event_id))

    def submit(self) -> str:
        raise NotImplementedError

    def decide(self) -> None:
        raise NotImplementedError

    def is_over(self) -> bool:
        return super().is_over() and bool(self.changes()) and all(state != "open" for state, _ in self.changes())

    def wrong(self) -> list[str]:
        changes = [(state, payload["previous"], payload["status"]) for state, payload in self.changes()]
        return super().wrong() + ([] if changes == [("done", *self.wanted)] else [f"raised: {changes}"])

    def changes(self) -> list[tuple[str, Any]]:
        """Return the states and payloads of what was raised."""

        async def read(store: Store) -> list[tuple[str, Any]]:
            found = await search(store, limit=9, wanted=EventFilter(type=self.raised))
            records = [await accept.find(store, each.id) for each in found]
            return [(each.state, orjson.loads(each.body or b"")["data"]["payload"]) for each in records if each]

        changes: list[tuple[str, Any]] = self.trial.ask(read)
        return changes


class TollFreeChange(Change):
    """A toll-free verification that is rejected."""

    raised: ClassVar[str] = "toll_free_verification.status_changed"
    wanted: ClassVar[tuple[str, str]] = ("In Progress", "Rejected")

    def submit(self) -> str:
        return str(self.trial.client.messaging_tollfree.verification.requests.create(**SUBMISSION).id)

    def decide(self) -> None:
        self.trial.simulator.decide(self.known_as, status="Rejected", reason="No consent", shape=None)

    def body(self, event_id: str) -> Body:
        payload = {"verificationRequestId": self.known_as}
        return envelope("toll_free_verification.status_update", payload, event_id=event_id)


class CampaignChange(Change):
    """A 10DLC campaign that a carrier rejects."""

    raised: ClassVar[str] = "campaign.status_changed"
    wanted: ClassVar[tuple[str, str]] = ("TCR_PENDING", "MNO_REJECTED")

    def submit(self) -> str:
        return str(submit_campaign(self.trial.client, new_brand(self.trial.client, self.trial.simulator)))

    def decide(self) -> None:
        self.trial.simulator.move_campaign(
            self.known_as, status="MNO_REJECTED", reason="No opt-out instructions", shape=None
        )

    def body(self, event_id: str) -> Body:
        payload = {"type": "MNO_REVIEW", "status": "REJECTED", "campaignId": self.known_as}
        return envelope("10dlc.campaign.update", payload, event_id=event_id)


class NumberLost(Change):
    """The number that fallbacks are sent from loses its campaign. Fallbacks are to wait from then on."""

    raised: ClassVar[str] = "number_assignment.status_changed"
    wanted: ClassVar[tuple[str, str]] = ("ASSIGNED", "UNASSIGNED")

    def submit(self) -> str:
        return provisioned(self.trial.client, self.trial.simulator, SMS_FROM)

    def decide(self) -> None:
        self.trial.client.messaging_10dlc.phone_number_campaigns.delete(SMS_FROM)

    def body(self, event_id: str) -> Body:
        payload = {"campaignId": self.known_as, "phoneNumber": SMS_FROM, "type": "DELETION", "status": "success"}
        return envelope("10dlc.phone_number.update", payload, event_id=event_id)

    def wrong(self) -> list[str]:
        held = held_blocks(self.trial.ask(open_blocks))
        return super().wrong() + ([] if len(held) == 1 else [f"blocks of campaigns: {held}"])


class RcsRejection(Change):
    """An RCS brand that is rejected, which only a poll sees."""

    raised: ClassVar[str] = "rcs_brand.status_changed"
    wanted: ClassVar[tuple[str, str]] = ("SUBMITTED", "REJECTED")

    def submit(self) -> str:
        brand = self.trial.client.rcs.brands.create(**BRAND).brand_id
        self.trial.client.rcs.brands.submit(brand)
        return str(brand)

    def decide(self) -> None:
        self.trial.simulator.decide_rcs_brand(self.known_as, status="REJECTED")

    def tell(self, event_id: str) -> None:
        poll(self.trial, "rcs_registration_poll", event_id)


@dataclass
class CampaignProbe(Life):
    """A fallback whose sender's campaign is suspended, as far as is known. A send probes it, and frees the sender.

    Where its worker was killed after it was accepted, nobody else waits, and the next send frees the sender.
    """

    next_id: str = ""

    handlers: ClassVar[str] = CHANGES

    def arrange(self) -> None:
        super().arrange()
        campaign = provisioned(self.trial.client, self.trial.simulator, SMS_FROM)
        self.trial.simulator.move_campaign(campaign, status="SUSPENDED", shape=None)
        poll(self.trial, "campaigns_poll", f"first-{self.trial.name}")
        self.trial.until(lambda: held_blocks(self.trial.ask(open_blocks)), "a block")
        # It ends, and no webhook says so.
        self.trial.simulator.move_campaign(campaign, status="MNO_PROVISIONED", shape=None)

    def is_over(self) -> bool:
        if not super().is_over() or not self.trial.is_idle():
            return False
        is_held = bool(held_blocks(self.trial.ask(open_blocks)))
        if is_held and not self.next_id:
            self.next_id = f"{self.event_id}-next"
            payload = finalized_rcs("delivery_failed", fresh_number())
            self.trial.deliver(envelope("message.finalized", payload, event_id=self.next_id))
        return not is_held


def poll(trial: Trial, handler: str, event_id: str) -> None:
    """Let a poll be due now."""
    event_type = f"ringback.cron.{handler}"
    body = orjson.dumps({"data": {"id": event_id, "event_type": event_type, "payload": {}}})
    trial.ask(lambda store: accept.accept(store, [NewEvent(event_id, event_type, body, "cron")]))


def held_blocks(found: Sequence[Block]) -> list[str]:
    """Return the names of the blocks of campaigns."""
    return [each.name for each in found if each.kind == CAMPAIGN]
