"""`ringback webhooks deliveries`: what Telnyx says of its attempts to deliver."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

import typer
from telnyx import AsyncTelnyx

from service import clock
from service.cli.inspect.config import without_password
from service.cli.numbers import print_json
from service.cli.options import JsonOption
from service.cli.output import say
from service.cli.tables import print_table
from service.cli.telnyx.telnyx_session import first_rows, with_telnyx
from service.settings import load

_CARRIED = frozenset({"payload", "body", "headers"})


def deliveries(
    *,
    delivery_id: Annotated[str | None, typer.Argument(help="Show this one whole, with every attempt.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed.")] = False,
    days: Annotated[int, typer.Option(help="How many days back.", min=1, max=30)] = 1,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the webhooks that Telnyx has tried to deliver, the latest first; bodies are left out.

    Exit codes: 0 listed, 1 there is none of that id, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    if delivery_id is not None:
        print_json(_without_bodies(with_telnyx(load(), partial(_retrieve, delivery_id=delivery_id))), reveal=False)
        return
    rows = with_telnyx(load(), partial(_list, failed=failed, days=days, limit=limit))
    if as_json:
        print_json([_without_bodies(each) for each in rows], reveal=False)
    elif rows:
        print_table(("id", "event", "type", "status", "attempts", "started (UTC)"), [_row(each) for each in rows])
    else:
        say("There are no such deliveries.", err=True)


async def _list(telnyx: AsyncTelnyx, *, failed: bool, days: int, limit: int) -> list[dict[str, Any]]:
    since = datetime.fromtimestamp(clock.now(), UTC) - timedelta(days=days)
    wanted: dict[str, Any] = {"started_at": {"gte": since.isoformat()}}
    wanted |= {"status": {"eq": "failed"}} if failed else {}
    pages = telnyx.webhook_deliveries.list(filter=wanted, page_size=50)  # type: ignore[arg-type]
    return await first_rows(pages, "webhook deliveries", limit)


async def _retrieve(telnyx: AsyncTelnyx, *, delivery_id: str) -> dict[str, Any]:
    answer = await telnyx.webhook_deliveries.retrieve(delivery_id)
    return answer.data.to_dict(mode="json") if answer.data else {}


def _without_bodies(value: Any) -> Any:
    """A delivery without what it carried: payloads, bodies and headers hold texts, numbers and signatures."""
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
