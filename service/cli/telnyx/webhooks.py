"""`ringback webhooks`."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from telnyx import APIError, AsyncTelnyx

from service import clock
from service.cli.masked_output import print_json, show_list
from service.cli.options import JsonOption, LimitOption, YesOption
from service.cli.output import confirm, fail, say, say_json
from service.cli.telnyx.session import first_rows, with_telnyx, with_telnyx_and_redis
from service.outbound.errors import classify_error
from service.registrations import webhook_destinations, webhook_repair, webhook_urls
from service.registrations.webhook_repair import Kept, NotTaken, Unanswered
from service.registrations.webhook_urls import Comparison, Destination, TollFreeUrl
from service.security.masked_urls import without_password
from service.settings import Settings, load
from service.store.facts.remembered import forget_snapshot
from service.store.store import Store

ForceOption = Annotated[bool, typer.Option("--force", help="Also where somebody else has changed it since.")]

webhooks = typer.Typer(help="See and change the URLs to which Telnyx delivers.", no_args_is_help=True)


@webhooks.command("plan")
def plan(*, as_json: JsonOption = False) -> None:
    """Compare every agent, profile, 10DLC brand and campaign with RINGBACK_PUBLIC_URL and RINGBACK_FAILOVER_URL.

    Changes nothing. RINGBACK_MANAGE names the ones that are ours to change. Toll-free requests are only listed.

    Exit codes: 0 all in step, 1 something differs or Telnyx refuses, 2 bad usage.
    """
    settings = load()
    declared = settings.require_public_url()
    compared = with_telnyx(lambda telnyx: _compare(telnyx, settings))
    toll_free = with_telnyx(webhook_urls.toll_free_urls)
    if as_json:
        rows = [_comparison_as_json(each) for each in compared]
        say_json(rows + [_toll_free_as_json(each, declared) for each in toll_free])
    else:
        _show_comparisons(compared)
        _show_toll_free(toll_free, declared)
    if _tell_unknown_ids(settings, compared) or any(each.state == "drift" for each in compared):
        raise typer.Exit(1)


@webhooks.command("apply")
def apply(*, yes: YesOption = False) -> None:
    """Change each URL of ours that differs, keep its old value, and verify each change.

    Refuses a URL that is not https, or at which no Ringback answers.

    Exit codes: 0 all in step, 1 refused, not confirmed or not all done, 2 bad usage.
    """
    settings = load()
    compared = with_telnyx(lambda telnyx: _compare(telnyx, settings))
    drifted = [each for each in compared if each.state == "drift"]
    _tell_unknown_ids(settings, compared)
    if not drifted:
        say("Nothing of ours differs.")
        return
    _show_comparisons(drifted)
    try:
        asyncio.run(webhook_repair.refuse_dead_ends(settings))
    except Unanswered as error:
        fail(f"{error}. Nothing was changed.")
    confirm(f"Change this at Telnyx ({len(drifted)} in all)?", yes=yes, dry_run=settings.dry_run)
    if not with_telnyx_and_redis(lambda telnyx, store: _mend(telnyx, store, drifted)):
        raise typer.Exit(1)


@webhooks.command("undo")
def undo(*, yes: YesOption = False, force: ForceOption = False) -> None:
    """Put back the values before our latest change, by `apply` or by a repair.

    Exit codes: 0 all put back, 1 not confirmed or not all done, 2 bad usage.
    """
    found = with_telnyx_and_redis(_kept_with_current)
    ready = [(kept, current) for kept, current in found if force or not kept.was_touched(current)]
    for kept, current in found:
        if (kept, current) in ready:
            changes = [(name, current.values[name], value) for name, value in kept.before.items()]
            _show_changes(f"{kept.kind} {kept.id} ({kept.name}): to be put back", changes)
        else:
            say(f"{kept.kind} {kept.id} was changed by somebody else since: --force puts it back", err=True)
    if not found:
        say("Nothing to put back.")
    if ready:
        confirm(f"Put this back at Telnyx ({len(ready)} in all)?", yes=yes, dry_run=load().dry_run)
    done = with_telnyx_and_redis(lambda telnyx, store: _take_back(telnyx, store, ready))
    if not done or len(ready) < len(found):
        raise typer.Exit(1)


async def _compare(telnyx: AsyncTelnyx, settings: Settings) -> list[Comparison]:
    declared = webhook_urls.Declared.of(settings)
    return [declared.compare(each) for each in await webhook_destinations.all_destinations(telnyx)]


def _tell_unknown_ids(settings: Settings, compared: Sequence[Comparison]) -> bool:
    """Name ids in RINGBACK_MANAGE that the account does not have, and return whether there are any."""
    named = (settings.managed_ids() or frozenset()) - {"*"}
    unknown = sorted(named - {each.destination.id for each in compared})
    for each in unknown:
        say(
            f"RINGBACK_MANAGE names {each}: the account has no such agent, profile, brand or campaign",
            err=True,
        )
    return bool(unknown)


async def _kept_with_current(telnyx: AsyncTelnyx, store: Store) -> list[tuple[Kept, Destination]]:
    """Return our changes beside the current values. Forget changes to deleted ones."""
    found = []
    for kept in await webhook_repair.kept_changes(store):
        current = await webhook_destinations.find_destination(telnyx, kept.kind, kept.id)
        if current is None:
            await forget_snapshot(store, webhook_repair.CHANGED, kept.key)
            say(f"{kept.kind} {kept.id} is gone from the account")
        else:
            found.append((kept, current))
    return found


async def _mend(telnyx: AsyncTelnyx, store: Store, drifted: Sequence[Comparison]) -> bool:
    return all(
        [await _told(each.destination.key, "changed", webhook_repair.mend(telnyx, store, each)) for each in drifted]
    )


async def _take_back(telnyx: AsyncTelnyx, store: Store, ready: Sequence[tuple[Kept, Destination]]) -> bool:
    return all(
        [await _told(kept.key, "put back", webhook_repair.take_back(telnyx, store, kept, now)) for kept, now in ready]
    )


async def _told(key: str, done: str, change: Awaitable[None]) -> bool:
    """Make one change and tell its result. A failed change does not prevent the others."""
    what = key.replace(":", " ", 1)
    try:
        await change
    except (APIError, NotTaken) as error:
        why = classify_error(error).detail if isinstance(error, APIError) else str(error)
        say(f"{what} not {done}: {why}", err=True)
        return False
    say(f"{what} {done}")
    return True


def _show_comparisons(compared: Sequence[Comparison]) -> None:
    """Print a line for each destination, and the difference where it is ours to change."""
    for each in compared:
        found = each.destination
        ours = each.state != "not managed"
        changes = [(one.field, one.now, one.declared) for one in each.differences if ours]
        _show_changes(f"{found.kind} {found.id} ({found.name}): {each.state}", changes)
        if found.locked and each.differences:
            say(f"  ({found.locked})")


def _show_changes(title: str, changes: Iterable[tuple[str, str | None, str | None]]) -> None:
    """Print a title, and below it each field with its old and new value."""
    say(title)
    for field, now, then in changes:
        say(f"  - {field} {_masked(now) or 'unset'}", f"  + {field} {_masked(then) or 'unset'}")


def _show_toll_free(requests: Sequence[TollFreeUrl], declared: str) -> None:
    for each in requests:
        elsewhere = f"not managed, webhookUrl {_masked(each.webhook_url) or 'unset'}"
        say(f"toll_free_request {each.id}: {'in step' if each.webhook_url == declared else elsewhere}")
    if any(each.webhook_url != declared for each in requests):
        say("(A request's webhookUrl changes only with a resubmission, which un-verifies its numbers.)")


def _comparison_as_json(each: Comparison) -> dict[str, Any]:
    found = each.destination
    named = {"kind": found.kind, "id": found.id, "name": found.name, "state": each.state}
    values = {name: _masked(value) for name, value in found.values.items()}
    differences = [
        {"field": one.field, "now": _masked(one.now), "declared": _masked(one.declared)} for one in each.differences
    ]
    return {**named, **values, "differences": differences}


def _toll_free_as_json(each: TollFreeUrl, declared: str) -> dict[str, Any]:
    state = "in step" if each.webhook_url == declared else "not managed"
    return {"kind": "toll_free_request", "id": each.id, "state": state, "webhook_url": _masked(each.webhook_url)}


def _masked(url: str | None) -> str | None:
    return None if url is None else without_password(url)


_CARRIED = frozenset({"payload", "body", "headers"})


@webhooks.command("deliveries")
def deliveries(
    *,
    delivery_id: Annotated[str | None, typer.Argument(help="Show this one whole, with every attempt.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed.")] = False,
    days: Annotated[int, typer.Option(help="How many days back.", min=1, max=30)] = 1,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List the webhooks that Telnyx has tried to deliver, the latest first. Bodies are left out.

    Exit codes: 0 listed, 1 there is none, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    if delivery_id is not None:
        answer = with_telnyx(lambda telnyx: telnyx.webhook_deliveries.retrieve(delivery_id))
        print_json(_without_bodies(answer.data.to_dict(mode="json") if answer.data else {}), reveal=False)
        return
    since = datetime.fromtimestamp(clock.now(), UTC) - timedelta(days=days)
    wanted: Any = {"started_at": {"gte": since.isoformat()}} | ({"status": {"eq": "failed"}} if failed else {})
    rows = with_telnyx(
        lambda telnyx: first_rows(
            telnyx.webhook_deliveries.list(filter=wanted, page_size=50), "webhook deliveries", limit
        )
    )
    columns, none = "id, event, type, status, attempts, started (UTC)", "There are no such deliveries."
    show_list(_without_bodies(rows), columns, _row, none, as_json=as_json, reveal=False)


def _without_bodies(value: Any) -> Any:
    """Return a delivery without payloads, bodies and headers, which hold texts, numbers and signatures."""
    if isinstance(value, dict):
        return {name: _without_bodies(each) for name, each in value.items() if name not in _CARRIED}
    if isinstance(value, list):
        return [_without_bodies(each) for each in value]
    return without_password(value) if isinstance(value, str) and "://" in value else value


def _row(delivery: dict[str, Any]) -> tuple[str, ...]:
    webhook, attempts = delivery.get("webhook") or {}, delivery.get("attempts") or []
    started = str(delivery.get("started_at") or "-")[:19].replace("T", " ")
    names = (delivery.get("id"), webhook.get("id"), webhook.get("event_type"), delivery.get("status"))
    return *(str(each or "-") for each in names), str(len(attempts)), started
