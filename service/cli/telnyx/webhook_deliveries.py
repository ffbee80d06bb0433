"""`ringback webhooks deliveries`: Telnyx's records of its attempts to deliver."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from service import clock
from service.cli.inspect.config import without_password
from service.cli.masked_output import print_json, show_list
from service.cli.options import JsonOption
from service.cli.telnyx.telnyx_session import first_rows, with_telnyx

_CARRIED = frozenset({"payload", "body", "headers"})


def deliveries(
    *,
    delivery_id: Annotated[str | None, typer.Argument(help="Show this one whole, with every attempt.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed.")] = False,
    days: Annotated[int, typer.Option(help="How many days back.", min=1, max=30)] = 1,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the webhooks that Telnyx has tried to deliver, the latest first. Bodies are left out.

    Exit codes: 0 listed, 1 there is none of that id, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    if delivery_id is not None:
        answer = with_telnyx(lambda telnyx: telnyx.webhook_deliveries.retrieve(delivery_id))
        print_json(_without_bodies(answer.data.to_dict(mode="json") if answer.data else {}), reveal=False)
        return
    since = datetime.fromtimestamp(clock.now(), UTC) - timedelta(days=days)
    wanted: dict[str, Any] = {"started_at": {"gte": since.isoformat()}}
    wanted |= {"status": {"eq": "failed"}} if failed else {}
    rows = with_telnyx(
        lambda telnyx: first_rows(
            telnyx.webhook_deliveries.list(filter=wanted, page_size=50),  # type: ignore[arg-type]
            "webhook deliveries",
            limit,
        )
    )
    show_list(
        [_without_bodies(each) for each in rows],
        ("id", "event", "type", "status", "attempts", "started (UTC)"),
        _row,
        none="There are no such deliveries.",
        as_json=as_json,
        reveal=False,
    )


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
