"""Lives of events in order, and of what makes the ingress and the worker fast."""

from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from tests.chaos.lives import Life
from tests.telnyx_events import Body, envelope

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
