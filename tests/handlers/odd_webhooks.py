"""Hypothesis's webhooks: samples of all that Telnyx sends, with odd values wherever a field may stand."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis.strategies as st

from service.events import message, rcs_registrations, registrations
from service.events.event_types import TYPES
from service.events.tolerant_model import TolerantModel
from service.testing.samples import cases, sample

Path = tuple[str | int, ...]

_MODELS = [
    each
    for module in (message, registrations, rcs_registrations)
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, TolerantModel)
]
FIELDS = sorted({name for model in _MODELS for name in model.model_fields})
"""The fields that a model reads anywhere."""
TEXTS = (
    *("", " ", "\x00", "\ud800", "\u202e", "💩" * 10, "x" * 5000, "null", "true", "0", "-1", "1e400", "9" * 400, "NaN"),
    *("+13125550147", "13125550147", "+1 (312) 555-0147", "+", "12345", "a@b.example", "US.123456"),
    *("2026-11-26T00:00:00Z", "0000-00-00", "9999-12-31T23:59:59+14:00", "1e10", "https://[", "http://x:99999", "//"),
    *("STOP", "delivered", "delivery_failed", "Rejected", "RCS", "SMS", "40300", "inbound", "outbound"),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(TEXTS),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
TURNED: dict[str, Callable[[Any], Any]] = {
    "a list": lambda value: [value],
    "many": lambda value: [value] * 50,
    "an object": lambda value: {"id": value},
    "a text": str,
    "deep": lambda value: json.loads("[" * 200 + json.dumps(value) + "]" * 200),
}
"""What becomes of a value, by kind."""


def _paths(content: Any, way: Path = ()) -> Iterator[Path]:
    parts = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for part, inner in parts:
        yield (*way, part)
        yield from _paths(inner, (*way, part))


def _inner(content: Any, way: Path) -> Any:
    for part in way:
        content = content[part]
    return content


@st.composite
def odd_webhooks(draw: st.DrawFn) -> bytes:
    """Draw the body of a webhook: a sample with up to five fields changed, removed or added."""
    body = sample(
        draw(st.sampled_from(sorted(cases()))), number=draw(st.sampled_from(("+13125550147", "+447400123456")))
    )
    for _ in range(draw(st.integers(0, 5))):
        paths = sorted((each for each in _paths(body) if each != ("data",)), key=str)
        *way, last = draw(st.sampled_from(paths)) if paths else ("data",)
        around = _inner(body, tuple(way))
        act = draw(st.sampled_from(("change", "change", "turn", "remove", "add", "type")))
        if act == "change":
            around[last] = draw(VALUES)
        elif act == "turn":
            around[last] = TURNED[draw(st.sampled_from(sorted(TURNED)))](around[last])
        elif act == "remove":
            del around[last]
        elif act == "add" and isinstance(around, dict):
            around[draw(st.sampled_from(FIELDS))] = draw(VALUES)
        elif act == "type" and isinstance(body.get("data"), dict):
            body["data"]["event_type"] = draw(st.sampled_from(sorted(TYPES)))
    return json.dumps(body).encode()
