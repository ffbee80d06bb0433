"""Events nested as deeply as the parser allows: read by every reader, run by every handler, shown by every command."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from handlers import router
from service import Context, Event, Router
from service.dashboard.timeline import build
from service.events import InvalidBody, read_envelope, read_event
from service.events.event import parse_json
from service.events.nested_json import dump_json, transform
from service.security.anonymize import Anonymizer, masked
from service.security.encryption import Sealer
from service.security.numbers import NumberMatcher
from service.store.inbox.accept import index_terms
from service.testing.samples.cases import body_names, read_body
from service.testing.samples.placeholders import Subject, fill
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_sms
from tests.tiers import slow

# A lone surrogate cannot be written deeply: the parser replaces it, so that no value of ours has one.
OTHERS = sorted(name for name in body_names() if name != "sms-inbound" and "lone-surrogate" not in name)
DEEP = 1000
DEEPEST = 1024
"""Levels that the parser reads."""


def arrays(levels: int) -> Any:
    value: Any = "STOP"
    for _ in range(levels):
        value = [value]
    return value


def objects(levels: int, name: str = "body") -> Any:
    value: Any = "STOP"
    for _ in range(levels):
        value = {name: value}
    return value


SHAPES: dict[str, Callable[[int], Any]] = {
    "arrays": arrays,
    "objects": objects,
    "errors": lambda levels: objects(levels, "code"),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in items:
        yield from places(each, (*path, name))


def with_deep(body: Any, path: tuple[Any, ...], deep: Any) -> Any:
    changed = copy.deepcopy(body)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = deep
    return changed


def extra(body: Any) -> Any:
    changed = copy.deepcopy(body)
    inner = changed.get("data", changed)
    inner.get("payload", inner)["new_field"] = 1
    inner.get("payload", inner).setdefault("errors", [])
    return changed


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("file", ["sms-inbound", *slow(*OTHERS)])
def test_whichever_field_is_nested_deeply_the_event_is_read_or_refused(file: str, shape: str) -> None:
    body = extra(fill(read_body(file), Subject()))
    deep = SHAPES[shape](DEEP)
    paths = [*places(body)]
    assert len(paths) > 5
    for path in paths:
        raw = dump_json(with_deep(body, path, deep))
        found = read_envelope(raw)
        event = read_event(found.identity, found.type, raw, "webhook")
        index_terms(found.identity, found.type, raw, Sealer(()))
        for name in ("sms_fallback", "toll_free", "hosted_numbers", "consent"):
            subscription = router.subscriptions.get(name)
            if subscription is not None and subscription.payload is not None:
                try:
                    subscription.payload.validate_python(event.payload)
                except ValueError:
                    continue
        assert NumberMatcher.of("+13125550999").within(raw) is False
        dump_json(masked(parse_json(raw)))
        dump_json(Anonymizer().content(parse_json(raw)))


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":['])
def test_any_depth_is_read_or_refused_alike_each_time(opening: bytes) -> None:
    for levels in (900, 1020, 1024, 1025, 10_000, 100_000):
        body = b'{"data":' + opening * levels
        closing = {ord("["): b"]", ord("{"): b"}"}
        body += b"1" + b"".join(closing[each] for each in reversed(body) if each in closing)
        answers = set()
        for _ in range(3):
            try:
                answers.add(read_envelope(body).identity)
            except InvalidBody as error:
                answers.add(error.reason)
        assert len(answers) == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_writing_and_reading_gives_the_same_at_any_depth(shape: str) -> None:
    value = {"b": [1, None, True, "é\n", {}], "a": SHAPES[shape](1000), "empty": [[], {}]}
    written = dump_json(value)
    assert dump_json(parse_json(written)) == written
    assert orjson.loads(written)["b"] == value["b"]
    assert dump_json(value, sort_keys=True).startswith(b'{"a":')
    small = {"b": [1, {"z": [], "y": {}}], "a": "x"}
    assert dump_json(small) == orjson.dumps(small)


def test_a_change_keeps_the_order_and_the_shape() -> None:
    changed = transform({"a": [1, {"b": "x"}], "c": {}}, lambda leaf, name: f"{name}:{leaf}", str.upper)
    assert changed == {"A": ["a:1", {"B": "b:x"}], "C": {}}
    assert list(changed) == ["A", "C"]


def deep_bodies(levels: int) -> Iterator[dict[str, Any]]:
    for shape in SHAPES.values():
        deep = shape(levels)
        yield envelope("message.received", received_sms(fresh_number(), "hi", errors=deep, new_field=deep))
        yield envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number(), new_field=deep, tags=deep))
        yield envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number()) | {"to": deep})
        yield envelope("test.deep", {"deep": deep})


def test_deep_events_are_accepted_and_handled_and_harm_no_other(stack: Stack) -> None:
    own, seen, sent = Router(router), list[str](), list[str | None]()

    @own.on("*")
    async def look(event: Event[Any], ctx: Context) -> None:
        seen.append(event.id)

    stack.start_worker(own, sms_from=SMS_FROM)
    bodies = [*deep_bodies(1000), envelope("test.plain", {})]
    for body in bodies:
        raw = dump_json(body)
        assert [stack.deliver(raw).json()["status"] for _ in range(2)] == ["accepted", "duplicate"]
    for body in bodies:
        record = stack.ended(body)
        told = {name: (each.state, each.reason, each.error) for name, each in record.handlers.items()}
        assert {each.reason for each in record.handlers.values() if each.state == "dead"} <= {"payload"}, told
        if body["data"]["event_type"] == "message.finalized":
            sent.append(record.handlers["sms_fallback"].reason)
    assert sent[::2] == [None] * len(SHAPES), "what is nested deeply hides no failed message"
    assert sorted(set(seen)) == sorted(body["data"]["id"] for body in bodies)


def test_the_story_of_a_deep_effect_is_told(stack: Stack) -> None:
    from service.store.effects.ledger import Entry
    from service.store.inbox.records import EventRecord

    record = EventRecord("one", "test.deep", "done", 1, "webhook", 1, b"[" * 100_000, {})
    entry = Entry(
        *("name", "one", "h", False, "POST", "/messages", "", "t", "application/json", "d", "would"),
        body=b"[" * 100_000,
    )
    assert build(record, [entry], 2)
