"""Lives of status changes, of events in order, and of what makes the ingress and the worker fast."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from service.store.inbox import accept
from service.store.inbox.search import EventFilter, search
from service.store.store import Store
from tests.chaos.lives import Life
from tests.telnyx_events import Body, envelope
from tests.testing.simulator.submission import SUBMISSION
from tests.testing.simulator.ten_dlc import new_brand, submit_campaign

CHANGES = """
from handlers import campaign_notices, campaigns, toll_free, toll_free_notices
from service import Router

router = Router(campaign_notices.router, campaigns.router, toll_free.router, toll_free_notices.router)
"""
FAST = """
from typing import Any

from service import Context, Event, Router
from service.settings import Settings

router = Router()


def dull(event: Event[dict[str, Any]], settings: Settings) -> str | None:
    return "dull" if event.payload["text"] == "dull" else None


@router.on("test.lone", unless=dull)
async def lone(event: Event[dict[str, Any]], ctx: Context) -> None:
    await ctx.telnyx.messages.send(to=event.payload["phone_number"], from_="+13125550199", text=event.payload["text"])


@router.on("test.ordered", ordered_by="number")
async def ordered(event: Event[dict[str, Any]], ctx: Context) -> None:
    await ctx.telnyx.messages.send(to=event.payload["phone_number"], from_="+13125550199", text=event.payload["text"])
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
        self.trial.deliver(self.body(first))
        self.trial.until(lambda: self.has_ended(first), "a first sight")
        self.decide()

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


class Several(Life):
    """Events that come together."""

    handlers: ClassVar[str] = FAST
    messages: ClassVar[int] = 3
    texts: ClassVar[tuple[str, ...]]
    type: ClassVar[str]

    def ids(self) -> list[str]:
        return [f"{self.event_id}-{number}" for number in range(len(self.texts))]

    def body(self, event_id: str) -> Body:
        text = self.texts[int(event_id.rpartition("-")[2])]
        return envelope(self.type, {"phone_number": self.number, "text": text}, event_id=event_id)

    def begin(self) -> None:
        for each in self.ids():
            self.trial.deliver(self.body(each))

    def sent(self) -> list[str | None]:
        return [each.text for each in self.trial.sent_to(self.number)]


class Ordered(Several):
    """Events of one key, which a handler runs in order."""

    texts: ClassVar[tuple[str, ...]] = ("1", "2", "3")
    type: ClassVar[str] = "test.ordered"

    def wrong(self) -> list[str]:
        return super().wrong() + ([] if self.sent() == list(self.texts) else [f"in this order: {self.sent()}"])


class Burst(Several):
    """Events that come at once, of which some are discarded early. A worker that starts finds them all due."""

    texts: ClassVar[tuple[str, ...]] = ("1", "dull", "2", "dull", "3", "dull")
    type: ClassVar[str] = "test.lone"
    most_times: ClassVar[int] = 1

    def arrange(self) -> None:
        self.trial.start_ingress()
        self.trial.start_worker()

    def begin(self) -> None:
        with ThreadPoolExecutor(len(self.texts)) as pool:
            list(pool.map(lambda each: self.trial.deliver(self.body(each)), self.ids()))

    def wrong(self) -> list[str]:
        return super().wrong() + ([] if sorted(map(str, self.sent())) == ["1", "2", "3"] else [f"sent: {self.sent()}"])
