"""Patterns of event types, and what a receiver asks by `Retry-After`."""

import pytest

from service.events.event_types import Selection, fits
from service.outbound.errors import seconds_until


@pytest.mark.parametrize(
    ("pattern", "event_type", "fitting"),
    [
        ("*", "anything", True),
        ("message.sent", "message.sent", True),
        ("message.sent", "message.sent.x", False),
        ("10dlc.*", "10dlc.campaign.update", True),
        ("10dlc.*", "10dlc", False),
        ("10dlc.*", "10dlcx.y", False),
    ],
)
def test_a_pattern_stands_for_a_type_a_family_or_all(pattern: str, event_type: str, *, fitting: bool) -> None:
    assert fits(pattern, event_type) is fitting


@pytest.mark.parametrize(
    ("text", "event_type", "derived", "held"),
    [
        ("*", "message.sent", False, True),
        ("*", "order.changed", True, False),
        ("*,order.*", "order.changed", True, True),
        ("*, !message.*", "message.sent", False, False),
        ("order.*,!order.changed", "order.changed", True, False),
        ("message.sent", "message.read", False, False),
    ],
)
def test_a_selection_holds_what_is_named_and_not_left_out(
    text: str, event_type: str, *, derived: bool, held: bool
) -> None:
    assert Selection.parse(text).holds(event_type, derived=derived) is held


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("soon", None),
        ("9" * 400, float("9" * 16)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 37.0),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 37.0),
        ("Sun, 06 Nov 1994 08:48:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str | None, seconds: float | None) -> None:
    assert seconds_until(value, now=784111740.0) == seconds
