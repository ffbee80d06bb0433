"""Lists of the URLs to which Telnyx delivers."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from service.cli.inspect.config import without_password
from service.cli.output import say
from service.registrations.webhook_urls import Comparison, TollFreeUrl

Change = tuple[str, str | None, str | None]
"""A field, its value now, and its value then."""


def show_comparisons(compared: Sequence[Comparison]) -> None:
    """One line for each destination, and the difference where it is ours to change."""
    for each in compared:
        found = each.destination
        ours = each.state != "not managed"
        changes = [(one.field, one.now, one.declared) for one in each.differences if ours]
        show_changes(f"{found.kind} {found.id} ({found.name}): {each.state}", changes)


def show_changes(title: str, changes: Iterable[Change]) -> None:
    """Print a title, and below it each field with its old and new value."""
    say(title)
    for field, now, then in changes:
        say(f"  - {field} {_shown(now)}")
        say(f"  + {field} {_shown(then)}")


def show_toll_free(requests: Sequence[TollFreeUrl], declared: str) -> None:
    """One line for each toll-free request."""
    elsewhere = [each for each in requests if each.webhook_url != declared]
    for each in requests:
        state = "in step" if each not in elsewhere else f"not managed, webhookUrl {_shown(each.webhook_url)}"
        say(f"toll_free_request {each.id}: {state}")
    if elsewhere:
        say("(A request's webhookUrl changes only with a resubmission, which un-verifies its numbers.)")


def comparison_as_json(each: Comparison) -> dict[str, Any]:
    """One destination for machines."""
    found = each.destination
    named = {"kind": found.kind, "id": found.id, "name": found.name, "state": each.state}
    values = {name: _masked(value) for name, value in found.values.items()}
    differences = [asdict(one) | {"now": _masked(one.now)} for one in each.differences]
    return {**named, **values, "differences": differences}


def toll_free_as_json(each: TollFreeUrl, declared: str) -> dict[str, Any]:
    """One toll-free request for machines."""
    state = "in step" if each.webhook_url == declared else "not managed"
    return {"kind": "toll_free_request", "id": each.id, "state": state, "webhook_url": _masked(each.webhook_url)}


def _shown(value: str | None) -> str:
    return _masked(value) or "unset"


def _masked(url: str | None) -> str | None:
    return None if url is None else without_password(url)
