"""Sends that end the waiting for a 10DLC campaign: a probe that Telnyx accepted, and an SMS that was delivered."""

from service import Context, Discard, Event, Router
from service.events import Message, TolerantModel
from service.outbound.carriers import carrier_of
from service.outbound.gate import CAMPAIGN, PROBE_ACCEPTED
from service.registrations.ten_dlc import kinds
from service.registrations.ten_dlc.blocks import prove, reconcile
from service.registrations.ten_dlc.following import TenDlc
from service.registrations.ten_dlc.senders import senders_of
from service.store.effects.blocks import open_blocks

router = Router()


class ProbeAccepted(TolerantModel):
    """The payload of `campaign.probe_accepted`: the name of the block."""

    block: str


@router.on(PROBE_ACCEPTED)
async def campaign_probe(event: Event[ProbeAccepted], ctx: Context) -> None:
    """Read the registrations that a block stands for. An accepted SMS alone does not prove that carriers take it."""
    ten_dlc, senders = TenDlc(ctx.telnyx, ctx.services.store), await senders_of(ctx.telnyx, ctx.settings)
    digest = event.payload.block.split(":")[1]
    for number in sorted(number for each in senders if each.digest == digest for number in each.numbers):
        await ten_dlc.follow(kinds.NUMBER, number)
        assignment = await ten_dlc.known_number(number)
        if assignment is not None and assignment.about.get("campaign"):
            await ten_dlc.follow(kinds.CAMPAIGN, str(assignment.about["campaign"]))
    await reconcile(ten_dlc, senders)


@router.on("message.finalized")
async def campaign_proof(event: Event[Message], ctx: Context) -> None:
    """Lift the block of a sender whose SMS was delivered after the block was opened."""
    message, store = event.payload, ctx.services.store
    delivered = [each for each in message.to if each.status == "delivered"]
    number, sent_at = message.from_.phone_number, message.sent_at or message.received_at
    if message.direction != "outbound" or message.type not in ("SMS", "MMS") or not delivered:
        raise Discard("nothing_held")
    is_held = any(each.kind == CAMPAIGN and each.held for each in await open_blocks(store))
    if not is_held or number is None or sent_at is None:
        raise Discard("nothing_held")
    ten_dlc, senders = TenDlc(ctx.telnyx, store), await senders_of(ctx.telnyx, ctx.settings)
    for each in delivered:
        await prove(ten_dlc, senders, number, carrier_of(each.carrier), sent_at=sent_at.timestamp())
