"""Agents, profiles, brands and campaigns whose webhooks go elsewhere than declared are reported or put right."""

from service import Context, Discard, Event, Router
from service.registrations import webhook_urls
from service.registrations.webhook_destinations import all_destinations, find_destination
from service.registrations.webhook_repair import Unanswered, may_look, mend, refuse_dead_ends
from service.settings import Settings

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
    for kind, each in webhook_urls.named_destinations(event.payload):
        if await may_look(ctx, f"{kind}:{each}", event.id):
            found = await find_destination(ctx.telnyx, kind, each)
            if found is not None:
                await _put_right(ctx, declared.compare(found))


@router.cron(hour=6)
async def agent_webhooks_daily(event: Event[dict[str, object]], ctx: Context) -> None:
    """Check all of them once a day, and notify of new agents."""
    declared = _declared(ctx)
    found = await all_destinations(ctx.telnyx)
    for each in found:
        if await may_look(ctx, each.key, event.id):
            await _put_right(ctx, declared.compare(each))
    agents = {each.id: declared.compare(each).state for each in found if each.kind == "agent"}
    for new in await webhook_urls.new_agents(ctx, agents):
        await _notify(ctx, "a new RCS agent", f"agent {new}: webhooks {agents[new]}", mend="ringback webhooks plan")
    # Notify before remembering: a crash in between repeats a notification, and loses none.
    await webhook_urls.remember_agents(ctx, agents)


def _declared(ctx: Context) -> webhook_urls.Declared:
    if ctx.settings.public_url is None:
        raise Discard("not_armed")
    return webhook_urls.Declared.of(ctx.settings)


async def _put_right(ctx: Context, comparison: webhook_urls.Comparison) -> None:
    if comparison.state != "drift":
        return
    what = f"{comparison.destination.kind} {comparison.destination.id}"
    fields = ", ".join(each.field for each in comparison.differences)
    if ctx.settings.dry_run or not ctx.settings.repair_webhooks:
        await _notify(ctx, "webhooks go elsewhere", f"{what}: {fields} not as declared", mend="ringback webhooks apply")
        return
    try:
        await refuse_dead_ends(ctx.settings)
    except Unanswered as error:
        await _notify(ctx, "webhooks cannot be repaired", f"{what}: {error}", mend="ringback webhooks apply")
        return
    await mend(ctx.telnyx, ctx.services.store, comparison)
    await _notify(ctx, "webhooks were repaired", f"{what}: {fields} as declared", mend="ringback webhooks undo")


async def _notify(ctx: Context, cause: str, text: str, *, mend: str) -> None:
    await ctx.notify(cause=cause, text=text, mend=mend)
