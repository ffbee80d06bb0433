"""A handler on a misspelt event type would never run: it is told at the start and by doctor."""

import typing
from collections.abc import Iterator
from typing import Any

import pytest

from service import Context, Event, Router
from service.events.event_types import TYPES, nearest_type
from service.settings import Settings
from service.worker.startup_warnings import warnings_for


def sdk_types(model: Any, depth: int = 0) -> Iterator[str]:
    """The literals of `event_type` in the SDK's models of webhooks."""
    for each in typing.get_args(model):
        yield from sdk_types(each, depth)
    for name, field in getattr(model, "model_fields", {}).items():
        if name == "event_type":
            yield from (each for each in literals(field.annotation))
        elif name == "data" and depth < 2:
            yield from sdk_types(field.annotation, depth + 1)
            yield from sdk_types(typing.Optional[field.annotation], depth + 1)  # noqa: UP045 - its parts are wanted


def literals(annotation: Any) -> Iterator[str]:
    for each in typing.get_args(annotation):
        if isinstance(each, str):
            yield each
        yield from literals(each)


def test_every_type_of_the_sdk_is_known() -> None:
    from telnyx.types.unwrap_webhook_event import UnwrapWebhookEvent  # loads the models of all webhooks

    found = set(sdk_types(UnwrapWebhookEvent))
    assert "message.received" in found
    assert found <= TYPES


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("mesage.received", "message.received"),
        ("message.recieved", "message.received"),
        ("message_received", "message.received"),
        ("Message.Received", "message.received"),
        ("message.finalised", "message.finalized"),
        ("messages.read", "message.read"),
        ("10dlc.campain.*", "10dlc.campaign.*"),
        ("mesage.*", "message.*"),
        ("hosted_number_order.status_change", "hosted_number_order.status_changed"),
    ],
)
def test_a_type_near_a_known_one_is_told(written: str, meant: str) -> None:
    router = Router()

    @router.on(written)
    async def greet(event: Event, ctx: Context) -> None:
        """Nothing."""

    assert nearest_type(written) == meant
    [warning] = [each for each in warnings_for(router, Settings()) if "meant?" in each]
    assert f"greet is on {written!r}" in warning
    assert f"is {meant} meant?" in warning


@pytest.mark.parametrize("written", [*sorted(TYPES), "*", "message.*", "10dlc.*", "order.created", "test.something"])
def test_a_type_that_is_known_or_ones_own_is_not_told(written: str) -> None:
    assert nearest_type(written) is None
