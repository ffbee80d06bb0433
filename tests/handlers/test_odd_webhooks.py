"""A signed webhook may hold anything anywhere. It is accepted, and each handler ends or waits for a known reason."""

import hypothesis
import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import HealthCheck, settings

from handlers import router as built_in
from service import Context, Event, Router
from service.events.event import Envelope, read_envelope
from service.store.inbox.accept import find
from service.store.inbox.audit import audit
from service.store.inbox.reasons import REASONS
from service.store.inbox.records import EventRecord
from service.store.store import Store
from tests.handlers.odd_webhooks import odd_webhooks
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for

AT_ONCE = 8


def record_of(stack: Stack, known: Envelope) -> EventRecord | None:
    """The record of an event. A known id with another type is another event."""

    async def look(store: Store) -> EventRecord | None:
        found = await find(store, known.identity)
        return (
            found if found is None or found.type == known.type else await find(store, f"{known.identity}~{known.type}")
        )

    return stack.ask(look)


def at_rest(stack: Stack, known: Envelope) -> EventRecord | None:
    """The record of an event, once no handler is about to run."""
    record = record_of(stack, known)
    assert record is not None, "an accepted event is lost"
    rests = record.state != "open" or (
        bool(record.handlers)
        and all(each.state in ("waiting", "parked") or each.ended for each in record.handlers.values())
    )
    return record if rests else None


def delivered(stack: Stack, body: bytes) -> int:
    """The status that ends the deliveries of a body. After a 503 of a busy machine Telnyx delivers again, too."""
    return wait_for(lambda: status if (status := stack.deliver(body).status_code) != 503 else None)


def check(stack: Stack, bodies: list[bytes]) -> None:
    known = []
    for body in bodies:
        assert delivered(stack, body) == 200, body
        known.append(read_envelope(body))
    for body, each in zip(bodies, known, strict=True):
        record = wait_for(lambda: at_rest(stack, each))
        for name, handler in record.handlers.items():
            reason = handler.reason or ""
            # The name of an exception stands for a bug. With one attempt no handler waits after it.
            assert not reason or reason.isdigit() or reason in REASONS - {"error"}, (name, reason, handler.error, body)


def run(stack: Stack, *, examples: int, seed: int) -> None:
    stack.start_worker(built_in, max_attempts=1, handler_timeout=120, manage="*")
    chosen = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    @hypothesis.seed(seed)
    @chosen
    @hypothesis.given(st.lists(odd_webhooks(), min_size=1, max_size=AT_ONCE))
    def webhooks(bodies: list[bytes]) -> None:
        check(stack, bodies)

    webhooks()
    assert stack.ask(audit).clean


@pytest.mark.slow
def test_odd_fields_of_a_webhook_meet_no_bug(stack: Stack) -> None:
    run(stack, examples=10, seed=1)


def test_the_check_sees_a_bug(stack: Stack) -> None:
    router = Router()

    @router.on("*")
    async def believes_in_texts(event: Event, ctx: Context) -> None:
        event.payload["id"].lower()

    stack.start_worker(router, max_attempts=1)
    check(stack, [orjson.dumps(envelope("test.one", {"id": "X"}))])
    with pytest.raises(AssertionError, match="AttributeError"):
        check(stack, [orjson.dumps(envelope("test.one", {"id": 1}))])


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_odd_fields_of_many_webhooks_meet_no_bug(stack: Stack, seed: int) -> None:
    run(stack, examples=1000, seed=seed)
