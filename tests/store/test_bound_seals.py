"""What is sealed is bound to its record and field: swapped or altered it is damaged, and nothing of it is read."""

import base64
import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from handlers import router as built_in
from service.security.encryption import EncryptionKey, Sealer, UnopenedText
from service.store.effects.ledger import effects_of
from service.store.inbox import accept
from service.store.inbox.records import EventRecord
from service.store.server_checks import check_encryption
from service.store.store import Store
from tests.pending import pending
from tests.stack import Host, Stack, open_stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_sms


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture
def sealed(host: Host) -> Iterator[Stack]:
    with open_stack(host, webhooks=False, encryption_key=new_key()) as stack:
        yield stack


def accepted(stack: Stack, text: str, event_id: str | None = None) -> str:
    event = envelope("message.received", received_sms(fresh_number(), text), event_id=event_id)
    assert stack.deliver(event).status_code == 200
    return str(event["data"]["id"])


def swap(stack: Stack, key: str, first: str, second: str, *fields: str) -> None:
    """Exchange fields of two hashes."""

    async def exchange(store: Store) -> None:
        names = [f"{store.namespace}:{key}:{each}" for each in (first, second)]
        for field in fields:
            one, other = [await pending(store.redis.hget(name, field)) for name in names]
            for name, value in zip(names, (other, one), strict=True):
                await pending(
                    store.redis.hset(name, field, value) if value is not None else store.redis.hdel(name, field)
                )

    stack.ask(exchange)


def test_swapped_bodies_are_damaged_and_their_events_go_dead(sealed: Stack) -> None:
    first, second, third = (accepted(sealed, text) for text in ("one", "two", "three"))
    swap(sealed, "event", first, second, "body")
    for event_id in (first, second):
        record = sealed.record(event_id)
        assert record is not None
        assert (record.body, record.sealed_under, record.damaged) == (None, None, frozenset({"body"}))
    sealed.start_worker(built_in)
    reasons = {each.reason for each in sealed.ended(first).handlers.values()}
    assert reasons == {"unreadable"}
    assert sealed.ended(third).state == "done"


def test_no_identity_can_be_written_that_lets_another_events_body_be_read(sealed: Stack) -> None:
    first, second = accepted(sealed, "one"), accepted(sealed, "two")

    async def claim_to_be(store: Store) -> None:
        for each, other in ((first, second), (second, first)):
            await pending(store.redis.hset(store.keys.event(each), "identity", other))

    swap(sealed, "event", first, second, "body")
    sealed.ask(claim_to_be)
    assert [_record(sealed, each).damaged for each in (first, second)] == [frozenset({"body"})] * 2


def _record(stack: Stack, event_id: str) -> EventRecord:
    record = stack.record(event_id)
    assert record is not None
    return record


def test_an_event_that_gets_another_id_keeps_the_identity_that_it_is_bound_to(sealed: Stack) -> None:
    event_id = accepted(sealed, "one")
    other = envelope("message.finalized", finalized_rcs("delivered", fresh_number()), event_id=event_id)
    assert sealed.deliver(other).status_code == 200
    record = _record(sealed, f"{event_id}~message.finalized")
    assert b"delivered" in (record.body or b"")
    assert record.damaged == frozenset()


def test_a_content_identified_event_that_comes_again_is_read(sealed: Stack) -> None:
    async def come(store: Store) -> list[str]:
        ids = []
        for _ in range(2):
            [accepted] = await accept.accept(
                store, [accept.NewEvent("sha256:ab", "x.y", b'{"data":{}}', "webhook", remember=1000)]
            )
            ids.append(accepted.event_id)
            await store.redis.delete(f"{store.namespace}:content:sha256:ab")
        return ids

    first, second = sealed.ask(come)
    assert second.startswith(f"{first}.")
    assert [_record(sealed, each).body for each in (first, second)] == [b'{"data":{}}'] * 2


def test_texts_of_the_ledger_are_bound_to_their_entry_and_field(sealed: Stack) -> None:
    sealed.start_worker(built_in)
    failures = [envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number())) for _ in range(2)]
    for failure in failures:
        sealed.deliver(failure)
        sealed.ended(failure)
    (one,), (other,) = (sealed.effects(each) for each in failures)
    assert one.answer is not None
    assert not one.unread
    swap(sealed, "effect", one.name, other.name, "recipient", "path", "answer")
    [seen] = sealed.ask(lambda store: effects_of(store, failures[0]["data"]["id"]))
    assert (seen.answer, seen.unread, seen.sealed_under) == (None, True, None)
    assert isinstance(seen.recipient, UnopenedText)
    assert isinstance(seen.path, UnopenedText)


def test_a_body_in_the_clear_is_read_and_told_of_and_a_missing_key_is_named(sealed: Stack) -> None:
    event_id, lost = accepted(sealed, "one"), EncryptionKey(secrets.token_bytes(32))

    async def meddle(store: Store) -> None:
        await pending(store.redis.hset(store.keys.event(event_id), "body", '{"data":{}}'))
        arrival = accept.NewEvent("other", "x.y", b'{"data":{}}', "webhook")
        await accept.accept(replace(store, encryption=Sealer((lost,))), [arrival])

    sealed.ask(meddle)
    record = _record(sealed, event_id)
    assert (record.body, record.unsealed, record.damaged) == (b'{"data":{}}', True, frozenset())
    found = sealed.ask(check_encryption)
    assert (found.unsealed, dict(found.bodies)) == (1, {lost.name: 1})
    assert [lost.name in each for each in found.missing] == [True]
