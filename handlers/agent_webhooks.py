"""Agents, profiles, brands and campaigns whose webhooks go elsewhere than declared are reported or put right."""

from telnyx import APIError

from service import Context, Discard, Event, Router
from service.outbound.effect_rules import not_sent_reason
from service.outbound.errors import classify_error
from service.registrations import webhook_urls
from service.registrations.webhook_destinations import all_destinations, find_destination
from service.registrations.webhook_repair import NotTaken, Unanswered, may_look, mend, refuse_dead_ends
from service.settings import Settings

APPLY = "ringback webhooks apply"

router = Router()


def types(settings: Settings) -> tuple[str, ...]:
    """Return no types without a declared URL, from which an event could differ."""
    return () if settings.public_url is None else ("message.*", "messaging_hosted_numbers_orders.*", "10dlc.*")


@router.on(types_from=types)
async def agent_webhooks(event: Event[dict[str, object]], ctx: Context) -> None:
    """Look at what an event names that Telnyx delivered to another URL than declared."""
    declared = _declared(ctx)
    if event.delivered_to is None or event.delivered_to in declared.urls:
        raise Discard("in_place")
    refusals = list[Exception]()
    for kind, each in webhook_urls.named_destinations(event.payload):
        if await may_look(ctx, f"{kind}:{each}", event.id):
            found = await find_destination(ctx.telnyx, kind, each)
            if found is not None:
                refusals += await _put_right(ctx, declared.compare(found))
    _raise_first(refusals)


@router.cron(hour=6)
async def agent_webhooks_daily(event: Event[dict[str, object]], ctx: Context) -> None:
    """Check all of them once a day, and notify of new agents."""
    declared = _declared(ctx)
    found = await all_destinations(ctx.telnyx)
    refusals = list[Exception]()
    for each in found:
        if await may_look(ctx, each.key, event.id):
            refusals += await _put_right(ctx, declared.compare(each))
    agents = {each.id: declared.compare(each).state for each in found if each.kind == "agent"}
    for new in await webhook_urls.new_agents(ctx, agents):
        await _notify(ctx, "a new RCS agent", f"agent {new}: webhooks {agents[new]}", mend="ringback webhooks plan")
    # Notify before remembering: a crash in between repeats a notification, and loses none.
    await webhook_urls.remember_agents(ctx, agents)
    _raise_first(refusals)


def _declared(ctx: Context) -> webhook_urls.Declared:
    if ctx.settings.public_url is None:
        raise Discard("not_armed")
    return webhook_urls.Declared.of(ctx.settings)


async def _put_right(ctx: Context, comparison: webhook_urls.Comparison) -> list[Exception]:
    """Notify of a drift or repair it. Return the refusal of this one repair, which must not prevent the others."""
    if comparison.state != "drift":
        return []
    what = f"{comparison.destination.kind} {comparison.destination.id}"
    fields = ", ".join(each.field for each in comparison.differences)
    if ctx.settings.dry_run or not ctx.settings.repair_webhooks:
        await _notify(ctx, "webhooks go elsewhere", f"{what}: {fields} not as declared", mend=APPLY)
        return []
    try:
        await refuse_dead_ends(ctx.settings)
        await mend(ctx.telnyx, ctx.services.store, comparison)
    except (Unanswered, NotTaken, APIError) as error:
        if isinstance(error, APIError) and not _is_refusal(error):
            # An outage or a block concerns all of them: the handler waits for its end.
            raise
        why = classify_error(error).detail if isinstance(error, APIError) else str(error)
        await _notify(ctx, "webhooks cannot be repaired", f"{what}: {why}", mend=APPLY)
        return [] if isinstance(error, Unanswered) else [error]
    await _notify(ctx, "webhooks were repaired", f"{what}: {fields} as declared", mend="ringback webhooks undo")
    return []


def _is_refusal(error: APIError) -> bool:
    """Return whether Telnyx refuses this one change for good."""
    return not_sent_reason(error) is None and classify_error(error).kind == "hopeless"


def _raise_first(refusals: list[Exception]) -> None:
    """Let the event go dead, or be tried again, for a refused repair."""
    if refusals:
        raise refusals[0]


async def _notify(ctx: Context, cause: str, text: str, *, mend: str) -> None:
    await ctx.notify(cause=cause, text=text, mend=mend)
