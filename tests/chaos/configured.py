"""The handlers and the policy of a chaos run."""

from datetime import UTC, datetime, timedelta

from tests.chaos.registrations import SENDERS, sender

_RULE = """
[[rules]]
name = "sender {place}"
tags = ["sender {place}"]
from = "{number}"
"""
_POLICY = """
[[rules]]
name = "quiet hours"
tags = ["quiet hours"]
quiet_hours = {{ from = "{begin:%H:%M}", to = "{end:%H:%M}", time_zone = "UTC" }}

[[rules]]
name = "number pool"
tags = ["number pool"]
from = "profile"
[[rules]]
name = "patient"
tags = ["patient"]
undelivered_after = "10s"

[[rules]]
name = "WhatsApp"
channel = "whatsapp"
template = "Your order has news"

[[rules]]
name = "all others"
"""


def policy(quiet_until: datetime) -> str:
    """Return the policy, with quiet hours that end at this full minute."""
    senders = "".join(_RULE.format(place=place, number=sender(place)) for place in range(SENDERS))
    end = quiet_until.astimezone(UTC)
    return senders + _POLICY.format(begin=end - timedelta(hours=12), end=end)


HANDLERS = """
import asyncio

from handlers import campaigns
from handlers import router as built_in
from service import Context, Event, Router
from service.outcome import Dead
from service.settings import Settings

# A second look is due a minute later. A short run would wait for it.
campaigns.AGAIN_AFTER = 5.0
mine = Router()


async def _send(to: str, ctx: Context, text: str) -> None:
    await ctx.telnyx.messages.send(to=to, from_="+13125550199", text=text)


@mine.on("test.send")
async def send(event: Event, ctx: Context) -> None:
    await _send(event.payload["phone_number"], ctx, "sent")


@mine.on("test.slow")
async def slow(event: Event, ctx: Context) -> None:
    await asyncio.sleep(1)
    await _send(event.payload["phone_number"], ctx, "slowly")
    await asyncio.sleep(1)


@mine.on("test.flaky")
async def flaky(event: Event, ctx: Context) -> None:
    if ctx.attempt == 1:
        raise RuntimeError("the first attempt fails")
    await _send(event.payload["phone_number"], ctx, "at last")


@mine.on("test.plan")
async def plan(event: Event, ctx: Context) -> None:
    await ctx.schedule("test.due", dict(event.payload), after=0.5, key=event.payload["phone_number"])


@mine.on("test.due")
async def due(event: Event, ctx: Context) -> None:
    await _send(event.payload["phone_number"], ctx, "due")


@mine.on("test.recall")
async def recall(event: Event, ctx: Context) -> None:
    await ctx.cancel(event.payload["phone_number"])


@mine.on("test.emit")
async def emit(event: Event, ctx: Context) -> None:
    await ctx.emit("test.emitted", dict(event.payload), key=event.payload["phone_number"])


@mine.on("test.emitted")
async def emitted(event: Event, ctx: Context) -> None:
    await _send(event.payload["phone_number"], ctx, "emitted")


@mine.on("test.lane", ordered_by="number")
async def lane(event: Event, ctx: Context) -> None:
    await _send(event.payload["phone_number"], ctx, str(event.payload["n"]))


@mine.on("toll_free_verification.status_changed")
async def rejected(event: Event, ctx: Context) -> None:
    if event.payload["status"] == "Rejected":
        await _send(event.payload["phone_numbers"][0], ctx, "rejected")


@mine.on("hosted_number_order.status_changed")
async def incomplete(event: Event, ctx: Context) -> None:
    if event.payload["status"] == "incomplete_documentation":
        await _send(event.payload["phone_numbers"][0]["phone_number"], ctx, "incomplete")


@mine.on("campaign.status_changed", "number_assignment.status_changed")
async def changed(event: Event, ctx: Context) -> None:
    place = (event.payload.get("phone_number") or event.payload["id"])[-1]
    await _send(f"+1312555030{place}", ctx, event.id)


def unless_question(event: Event, settings: Settings) -> str | None:
    return None if event.payload.get("text") == "When do you open?" else "no_question"


@mine.on("message.received", unless=unless_question)
async def answer(event: Event, ctx: Context) -> None:
    await ctx.reply("At eight")


@mine.on("test.dead")
async def dead(event: Event, ctx: Context) -> None:
    raise Dead("hopeless", "no run can help")


router = Router(built_in, mine)
"""
