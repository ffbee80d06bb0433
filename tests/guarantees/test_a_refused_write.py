"""A write that Redis refuses in the middle of an acceptance loses nothing: 503, and the redelivery completes it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from service import Context, Event, Router
from service.store.connection import connect_blocking
from service.store.facts.consent import opted_out
from service.store.inbox.audit import audit
from tests.pending import at_once
from tests.stack import Stack, open_host, open_stack
from tests.telnyx_events import envelope, fresh_number, received_sms

OTHERS = ("queue", "events", "counts", "wake", "optouts")


def spoil(stack: Stack, key: str) -> Callable[[], None]:
    """Put a string in a key's place; gives what puts the key back."""
    server = connect_blocking(stack.redis_url, timeout=10)
    before = at_once(server.dump(key))
    server.set(key, "in the way")

    def mend() -> None:
        server.delete(key)
        if before is not None:
            server.restore(key, 0, before)
        server.close()

    return mend


def quiet() -> Router:
    router = Router()

    @router.on("message.received")
    async def see(event: Event[Any], ctx: Context) -> None: ...

    return router


@pytest.mark.parametrize("key", OTHERS)
def test_the_redelivery_of_what_was_refused_half_way_is_accepted_and_handled(stack: Stack, key: str) -> None:
    number = fresh_number()
    event = envelope("message.received", received_sms(number, "STOP"))
    mend = spoil(stack, f"{stack.keys.namespace}:{key}")
    assert stack.deliver(event).status_code == 503
    mend()
    assert stack.record(event["data"]["id"]) is None
    assert stack.deliver(event).json() == {"status": "accepted"}
    assert stack.deliver(event).json() == {"status": "duplicate"}
    assert stack.ask(lambda store: opted_out(store, number))
    assert stack.ask(audit).clean
    stack.start_worker(quiet())
    assert stack.ended(event).state == "done"
    assert stack.ask(audit).clean


def test_a_word_is_kept_from_a_duplicate_too_with_the_time_of_the_first_arrival(stack: Stack) -> None:
    number = fresh_number()
    said = received_sms(number, "STOP")
    del said["received_at"]
    event = envelope("message.received", said)
    del event["data"]["occurred_at"]
    stack.deliver(event)
    with connect_blocking(stack.redis_url, timeout=10) as server:
        first = server.hgetall(stack.keys.optouts)
        assert list(first) == [f"p:{number}".encode()]
        server.delete(stack.keys.optouts)
        assert stack.deliver(event).json() == {"status": "duplicate"}
        assert server.hgetall(stack.keys.optouts) == first


@pytest.fixture
def denying_stack(own_server: Any) -> Iterator[tuple[Stack, "Redis"]]:
    """A stack whose user of Redis may not touch the index of events, and an administrator's connection."""
    with Redis.from_url(own_server.url) as server:
        allowed = ["t*:[^e]*", "t*:event:*"]
        server.acl_setuser("narrow", enabled=True, nopass=True, keys=allowed, channels=["*"], categories=["+@all"])
        url = own_server.url + ("&" if "?" in own_server.url else "?") + "username=narrow&password=any"
        with open_host(url) as host, open_stack(host) as opened:
            yield opened, server


def test_where_an_index_is_denied_the_redelivery_is_accepted_once_it_is_not(
    denying_stack: tuple[Stack, "Redis"],
) -> None:
    stack, server = denying_stack
    event = envelope("message.received", received_sms(fresh_number(), "STOP"))
    assert [stack.deliver(event).status_code for _ in range(3)] == [503, 503, 503]
    server.acl_setuser("narrow", enabled=True, nopass=True, keys=["*"], channels=["*"], categories=["+@all"])
    assert stack.ask(audit).clean
    assert stack.deliver(event).json() == {"status": "accepted"}
    stack.start_worker(quiet())
    assert stack.ended(event).state == "done"
    assert stack.ask(audit).clean
