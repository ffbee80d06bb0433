"""10DLC brands, campaigns and numbers, followed by webhooks of any shape and by a poll. Fallbacks wait for them."""

from telnyx import NotFoundError, PermissionDeniedError

from service import Context, Discard, Event, Router, clock
from service.events import TenDlcUpdate, TolerantModel
from service.registrations.notice_text import NoticeText
from service.registrations.ten_dlc import kinds, notices
from service.registrations.ten_dlc.blocks import reconcile
from service.registrations.ten_dlc.following import TenDlc
from service.registrations.ten_dlc.senders import numbers_of_policy, senders_of
from service.registrations.ten_dlc.updates import Meaning, Said, read_update, subjects

POLL_MINUTES = frozenset({3, 18, 33, 48})
UNTIL_NEXT_POLL = 900.0
LOOK_AGAIN = "campaign.look_again"
AGAIN_AFTER = 60.0
"""Seconds until a second look where the API does not show what an event says."""

router = Router()


class LookAgain(TolerantModel):
    """The payload of `campaign.look_again`: a registration, and what an event says of it."""

    kind: kinds.Kind
    given: str
    meaning: Meaning = ""
    carrier: str | None = None


@router.on("10dlc.*", timeout=120)
async def campaigns(event: Event[TenDlcUpdate], ctx: Context) -> None:
    """Read what a webhook names. Where it names nothing that exists, read all."""
    ten_dlc, said = TenDlc(ctx.telnyx, ctx.services.store), read_update(event.payload, event.occurred_at)
    named = subjects(event.payload, event.type)
    followed = [(kind, given, await ten_dlc.follow(kind, given, said)) for kind, given in named]
    if all(changes is None for _, _, changes in followed):
        await _follow_all(ten_dlc, ctx)
    for kind, given, changes in followed:
        if said.meaning == "nudged":
            await _notify(ctx, notices.told_of_nudge(given, said))
        elif changes == [] and not _is_old(said):
            # The API may be behind the event.
            payload = {"kind": kind, "given": given, "meaning": said.meaning, "carrier": said.carrier}
            await ctx.schedule(LOOK_AGAIN, payload, after=AGAIN_AFTER, key=f"campaign_look:{event.id}"[:200])
    await _reconcile(ten_dlc, ctx)


@router.on(LOOK_AGAIN)
async def campaign_second_look(event: Event[LookAgain], ctx: Context) -> None:
    """Read a registration once more. Notify if the API still does not show what an event says of a campaign."""
    ten_dlc, asked = TenDlc(ctx.telnyx, ctx.services.store), event.payload
    said = Said(asked.meaning, carrier=asked.carrier)
    await ten_dlc.follow(asked.kind, asked.given)
    await _reconcile(ten_dlc, ctx)
    known = await ten_dlc.known(kinds.CAMPAIGN, asked.given) if asked.kind == kinds.CAMPAIGN else None
    if known is None or said.confirmed_by(known.status):
        raise Discard("settled")
    await _notify(ctx, notices.told_of_doubt(asked.given, said, known.status))


@router.cron(minute=POLL_MINUTES, timeout=300)
async def campaigns_poll(event: Event[dict[str, object]], ctx: Context) -> None:
    """Find the changes that no webhook reported."""
    if event.occurred_at and clock.now() - event.occurred_at.timestamp() > UNTIL_NEXT_POLL:
        raise Discard("too_old")
    ten_dlc = TenDlc(ctx.telnyx, ctx.services.store)
    try:
        await _follow_all(ten_dlc, ctx)
    except (PermissionDeniedError, NotFoundError):
        raise Discard("not_permitted") from None


def _is_old(said: Said) -> bool:
    """Return whether an update came so late that the API shows what became of it since."""
    return said.at is not None and clock.now() - said.at > UNTIL_NEXT_POLL


async def _follow_all(ten_dlc: TenDlc, ctx: Context) -> None:
    numbers, has_pools = numbers_of_policy(ctx.settings)
    if has_pools:
        numbers = frozenset[str]().union(*(each.numbers for each in await senders_of(ctx.telnyx, ctx.settings)))
    await ten_dlc.follow_all(numbers)
    await _reconcile(ten_dlc, ctx)


async def _notify(ctx: Context, told: NoticeText) -> None:
    await ctx.notify(cause=told.cause, text=told.text, mend=told.mend)


async def _reconcile(ten_dlc: TenDlc, ctx: Context) -> None:
    for name in await reconcile(ten_dlc, await senders_of(ctx.telnyx, ctx.settings)):
        ctx.log.info("parked work resumes", block=name)
