"""Two hosts, one for each of Telnyx's URLs: what they share with one Redis and with two, as docs/deploy.md has it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from handlers import router
from service.ingress.app import create_app
from service.store.connection import connect
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_sms


@contextmanager
def other_host(stack: Stack) -> Iterator[Stack]:
    """A host with a store of its own, in front of the same account."""
    settings = stack.settings.model_copy(update={"namespace": f"{stack.settings.namespace}-other"})
    redis = connect(stack.host.redis_url, timeout=10, connections=20)
    with stack.host.serving(create_app(settings)):
        try:
            yield replace(stack, settings=settings, redis=redis)
        finally:
            stack.host.portal.call(redis.aclose)


def failed(number: str) -> dict[str, Any]:
    return envelope("message.finalized", finalized_rcs("delivery_failed", number))


def deliver(stack: Stack, body: dict[str, Any], path: str) -> httpx.Response:
    answer = stack.deliver(body, path=path)
    assert answer.status_code == 200
    return answer


def test_with_one_redis_an_event_at_both_urls_is_accepted_once(stack: Stack) -> None:
    stack.start_worker(router)
    body = failed(number := fresh_number())
    assert deliver(stack, body, "/webhooks").json() == {"status": "accepted"}
    assert deliver(stack, body, "/webhooks/failover").json() == {"status": "duplicate"}
    stack.ended(body)
    assert len(stack.sent_to(number)) == 1


@pytest.mark.one_server("another namespace lies in another slot, which another primary may own")
def test_with_two_redis_both_send_under_one_key_and_neither_knows_the_other_s_stop(stack: Stack) -> None:
    stack.start_worker(router)
    body, stopped = failed(number := fresh_number()), fresh_number()
    deliver(stack, body, "/webhooks")
    stack.ended(body)
    stop = envelope("message.received", received_sms(stopped, "STOP"))
    deliver(stack, stop, "/webhooks")
    with other_host(stack) as other:
        other.start_worker(router)
        for each in (body, unaware := failed(stopped)):
            assert deliver(other, each, "/webhooks/failover").json() == {"status": "accepted"}
            other.ended(each)
    asked = [each for each in stack.simulator.requests if (each.body or {}).get("to") == number]
    assert [each.replayed for each in asked] == [False, True]
    assert len({each.idempotency_key for each in asked}) == 1
    # Telnyx's own opt-out list would refuse it: the local one has not seen this STOP.
    assert len(stack.sent_to(stopped)) == 1
    deliver(stack, unaware, "/webhooks")
    assert stack.ended(unaware).handlers["sms_fallback"].reason == "opted_out"
