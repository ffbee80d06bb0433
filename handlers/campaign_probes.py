"""SMS that say something of their sender's 10DLC campaign: an accepted probe, a delivery, a failure with 40010."""

from service import Context, Discard, Event, Router
from service.events import Message, TolerantModel
from service.events.message import Party
from service.outbound.carriers import carrier_of
from service.outbound.gate import CAMPAIGN, PROBE_ACCEPTED, sender_digest
from service.registrations.ten_dlc.blocks import prove, reconcile
from service.registrations.ten_dlc.following import TenDlc
from service.registrations.ten_dlc.senders import senders_of
from service.settings import Settings
from service.store.effects.blocks import open_blocks
from service.store.facts.remembered import acquire_throttle

NOT_REGISTERED = "40010"
"""The sending number belongs to no campaign. Source: Telnyx's page on messaging error codes."""
ONCE_PER = 60.0
"""Seconds within which the failures of one number make its campaign be read once."""
MOST_NUMBERS = 20
"""Numbers of a pool that are read after a probe."""

router = Router()


class ProbeAccepted(TolerantModel):
    """The payload of `campaign.probe_accepted`: the name of the block."""

    block: str


@router.on(PROBE_ACCEPTED)
async def campaign_probe(event: Event[ProbeAccepted], ctx: Context) -> None:
    """Read the registrations that a block stands for. An accepted SMS alone does not prove that carriers take it."""
    ten_dlc, senders = TenDlc(ctx.telnyx, ctx.services.store), await senders_of(ctx.telnyx, ctx.settings)
    digest = event.payload.block.split(":")[1]
    numbers = sorted(number for each in senders if each.digest == digest for number in each.numbers)
    for number in numbers[:MOST_NUMBERS]:
        await ten_dlc.follow_number_and_campaign(number)
    await reconcile(ten_dlc, senders)


def unless(event: Event[Message], settings: Settings) -> str | None:
    """Return a reason against a message that is no SMS of ours, or that says nothing of its campaign."""
    del settings
    message = event.payload
    is_ours = message.direction == "outbound" and message.type in ("SMS", "MMS") and message.from_.phone_number
    speaks = any(each.code == NOT_REGISTERED for each in message.errors) or _delivered(message)
    return None if is_ours and speaks else "nothing_held"


@router.on("message.finalized", unless=unless)
async def campaign_proof(event: Event[Message], ctx: Context) -> None:
    """Lift the block of a sender whose SMS was delivered. Read the campaign of one whose SMS failed with 40010."""
    message, number = event.payload, str(event.payload.from_.phone_number)
    if any(each.code == NOT_REGISTERED for each in message.errors):
        await _read_again(ctx, number, event.id)
    elif not await _prove(ctx, message, number):
        raise Discard("nothing_held")


async def _read_again(ctx: Context, number: str, event_id: str) -> None:
    senders = await senders_of(ctx.telnyx, ctx.settings)
    is_ours = any(number in each.numbers for each in senders)
    store, name = ctx.services.store, f"campaign:{sender_digest(number, None)}"
    if not is_ours or not await acquire_throttle(store, name, event_id, seconds=ONCE_PER):
        raise Discard("nothing_held")
    ten_dlc = TenDlc(ctx.telnyx, store)
    # Without a known assignment it may be a number that needs none, such as a toll-free one.
    if await ten_dlc.known_number(number) is not None:
        await ten_dlc.follow_number_and_campaign(number)
        await reconcile(ten_dlc, senders)


async def _prove(ctx: Context, message: Message, number: str) -> bool:
    delivered = _delivered(message)
    sent_at, store = message.sent_at or message.received_at, ctx.services.store
    if not delivered or sent_at is None:
        return False
    if not any(each.kind == CAMPAIGN and each.held for each in await open_blocks(store)):
        return False
    ten_dlc, senders = TenDlc(ctx.telnyx, store), await senders_of(ctx.telnyx, ctx.settings)
    proven = [
        await prove(ten_dlc, senders, number, carrier_of(each.carrier), sent_at=sent_at.timestamp())
        for each in delivered
    ]
    return any(proven)


def _delivered(message: Message) -> list[Party]:
    return [each for each in message.to if each.status == "delivered"]
