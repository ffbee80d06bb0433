"""Numbers in keys: hidden where there is a key, and found again when keys come, change and go."""

import asyncio
import secrets
import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Literal, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from service.events.consent import ConsentChange
from service.events.message import MessageStatus, RecipientStatus
from service.security.encryption import EncryptionKey, Sealer
from service.store.connection import connect
from service.store.facts.consent import (
    KeyMissing,
    consent_of,
    move_opt_outs,
    opt_out_page,
    opt_outs,
    opted_out,
    record_consent,
)
from service.store.facts.message_states import MessageState, Recipient, read_state
from service.store.facts.remembered import Capability, forget, recall, remember
from service.store.facts.replies import reason_against_answer
from service.store.inbox.accept import NewEvent, accept
from service.store.store import Store
from tests.pending import pending

T = TypeVar("T")

A, B = (EncryptionKey(bytes([each]) * 32) for each in (1, 2))
ANN = "+13125550101"
CONFIGURED: Sequence[tuple[EncryptionKey, ...]] = [(), (A,), (A, B), (B, A), (B,)]
"""A deployment's keys over time: none, one, a second one added, the two changed round, the old one taken away."""


class Deployment:
    """One namespace, by whatever keys its processes have."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.namespace = f"t{uuid.uuid4().hex[:12]}"

    def ask(self, configured: Sequence[EncryptionKey], work: "Callable[[Store], Awaitable[T]]") -> T:
        """Do some work as a process with these keys."""

        async def working() -> T:
            async with connect(self.url, timeout=5, connections=2) as redis:
                return await work(Store(redis, self.namespace, Sealer(tuple(configured))))

        return asyncio.run(working())

    def hear(
        self, configured: Sequence[EncryptionKey], said: Literal["out", "in"], at: float, number: str = ANN
    ) -> int:
        word = ConsentChange(number, said, at)
        return self.ask(configured, lambda store: record_consent(store, [word], now=0))

    def opted_out(self, configured: Sequence[EncryptionKey], number: str = ANN) -> bool:
        return self.ask(configured, lambda store: opted_out(store, number))

    def move(self, configured: Sequence[EncryptionKey]) -> int:
        return self.ask(configured, move_opt_outs)

    def listed(self, configured: Sequence[EncryptionKey]) -> set[str]:
        async def listing(store: Store) -> set[str]:
            numbers = {each.number async for each in opt_outs(store)}
            # Those by time follow the table wherever an entry moves.
            assert {each.number for each in (await opt_out_page(store, limit=10_000)).opt_outs} == numbers
            return numbers

        return self.ask(configured, listing)

    def everything(self) -> str:
        """All keys and all that they hold, as text."""

        async def reading(store: Store) -> str:
            found = [key async for key in store.redis.scan_iter(f"{store.namespace}:*")]
            return repr(found) + repr([await _value(store.redis, key) for key in found])

        return self.ask((), reading)


async def _value(redis: "Redis", key: bytes) -> Any:
    kind = await redis.type(key)
    by_time = partial(redis.zrange, start=0, end=-1, withscores=True)
    read: Any = {b"hash": redis.hgetall, b"set": redis.smembers, b"string": redis.get, b"zset": by_time}[kind]
    return await read(key)


@pytest.fixture
def deployment(redis_url: str) -> Deployment:
    return Deployment(redis_url)


def test_no_stop_is_lost_when_a_key_comes_is_changed_and_goes(deployment: Deployment) -> None:
    for number, configured in enumerate(CONFIGURED):
        deployment.hear(configured, "out", 10 + number, f"+131255501{number:02}")
        for each in range(number + 1):
            assert deployment.opted_out(configured, f"+131255501{each:02}"), (number, each)
        deployment.move(configured)
    assert deployment.listed((B,)) == {f"+131255501{each:02}" for each in range(len(CONFIGURED))}
    assert not any(f"31255501{each:02}" in deployment.everything() for each in range(len(CONFIGURED)))


def test_the_stop_of_a_whatsapp_user_goes_with_the_keys_and_stands_on_no_list(deployment: Deployment) -> None:
    user = "US.13491208655302741918"
    deployment.hear((), "out", 10, user)
    for configured in ((A,), (A, B), (B, A)):
        assert deployment.opted_out(configured, user)
        deployment.move(configured)
        assert deployment.listed(configured) == set()
    assert deployment.opted_out((B,), user)
    assert "13491208655302741918" not in deployment.everything()
    assert not deployment.opted_out((B,), user + "0")


def test_a_start_under_a_new_key_lifts_a_stop_from_before_it_and_not_a_later_one(deployment: Deployment) -> None:
    deployment.hear((), "out", 10)
    deployment.hear((A,), "in", 11)
    assert not deployment.opted_out((A,))
    deployment.hear((B, A), "out", 10.5)
    assert not deployment.opted_out((B, A)), "an older word changes nothing"
    deployment.hear((B, A), "out", 12)
    deployment.hear((), "in", 11.5)
    assert deployment.opted_out((B, A)), "whoever still runs without a key writes plainly; the latest word counts"


def test_whoever_lacks_a_key_is_told_nothing_rather_than_that_there_is_no_stop(deployment: Deployment) -> None:
    deployment.hear((A,), "out", 10)
    for configured in ((), (B,)):
        with pytest.raises(KeyMissing, match=A.name):
            deployment.opted_out(configured)
    assert deployment.opted_out((B, A))
    assert deployment.move((B, A)) == 1
    assert deployment.opted_out((B,))
    with pytest.raises(KeyMissing, match=B.name):
        deployment.opted_out((A,))


def test_moving_is_done_once_and_for_very_many(deployment: Deployment) -> None:
    words = [ConsentChange(f"+1312{each:07}", "out", 10.0) for each in range(1201)]
    deployment.ask((), lambda store: record_consent(store, words, now=0))
    assert (deployment.move((A,)), deployment.move((A,))) == (1201, 0)
    assert len(deployment.listed((A,))) == 1201
    assert "+1312" not in deployment.everything()


STEPS = st.lists(
    st.tuples(st.sampled_from(["out", "in", "move"]), st.integers(1, 6), st.sampled_from(CONFIGURED[:4])), max_size=12
)


@settings(max_examples=80, deadline=None)
@given(steps=STEPS)
def test_the_latest_word_counts_whoever_wrote_it_under_whatever_keys(redis_url: str, steps: list[Any]) -> None:
    async def told() -> tuple[float | None, float | None]:
        async with connect(redis_url, timeout=5, connections=2) as redis:
            namespace = f"t{uuid.uuid4().hex[:12]}"
            for step, at, configured in steps:
                store = Store(redis, namespace, Sealer(configured))
                if step == "move":
                    await move_opt_outs(store)
                else:
                    await record_consent(store, [ConsentChange(ANN, step, at)], now=0)
            counted: dict[bytes, bytes] = await pending(redis.hgetall(f"{namespace}:optout_keys"))
            forms: list[bytes] = await pending(redis.hkeys(f"{namespace}:optouts"))
            for key in (A, B):
                hidden = sum(form.startswith(f"h:{key.name}:".encode()) for form in forms)
                assert int(counted.get(key.name.encode(), b"0")) == hidden, "the count by key is exact"
            consent = await consent_of(Store(redis, namespace, Sealer((B, A))), ANN)
            return consent.said.out_at, consent.said.in_at

    outs, ins = ([at for step, at, _ in steps if step == said] for said in ("out", "in"))
    assert asyncio.run(told()) == (max(outs, default=None), max(ins, default=None))


def told(deployment: Deployment, configured: Sequence[EncryptionKey], status: str, **more: Any) -> MessageState:
    """Merge what is said of Ann's message as a process with these keys, and ask about her."""
    said = MessageStatus("m", "RCS", (RecipientStatus(ANN, status, "T"),)) if status else None
    more = {"by": "event-1", **more}
    return deployment.ask(configured, lambda store: read_state(store, "m", [Recipient(ANN, "sms")], said=said, **more))


def test_no_state_of_a_message_is_lost_when_keys_change(deployment: Deployment) -> None:
    told(deployment, (), "delivery_failed")
    told(deployment, (A,), "")
    right = f"right:{A.hidden(ANN)}"
    deployment.ask((A,), lambda store: pending(store.redis.hset(store.keys.message("m"), right, "event-1")))
    assert told(deployment, (A,), "sent").recipients[ANN].status == "delivery_failed"
    assert told(deployment, (B, A), "", by="event-2").recipients[ANN].reason == "right_held"
    assert told(deployment, (B, A), "delivered", purpose="sent").double_deliveries == ("T",)
    assert told(deployment, (B,), "").recipients[ANN].status == "delivered"
    assert ANN not in deployment.everything()


def test_a_state_that_was_written_under_two_forms_is_merged(deployment: Deployment) -> None:
    """While some processes have a key and others not yet."""
    told(deployment, (A,), "delivery_failed")
    merged = MessageStatus("m", "RCS", (RecipientStatus(ANN, "delivered"),))
    deployment.ask((), lambda store: accept(store, [arrival_of(merged)]))
    assert told(deployment, (A,), "sent").recipients[ANN].status == "delivered"


def arrival_of(message: MessageStatus) -> NewEvent:
    """Return an event that tells the state of a message."""
    return NewEvent(uuid.uuid4().hex, "message.finalized", b"{}", "webhook", message=message)


def test_whoever_lacks_the_key_of_a_recipient_waits_for_that_message_only(deployment: Deployment) -> None:
    told(deployment, (A,), "delivered")
    for configured in ((), (B,)):
        with pytest.raises(KeyMissing, match=A.name):
            told(deployment, configured, "")
        elsewhere = deployment.ask(
            configured, lambda store: read_state(store, "other", [Recipient(ANN, "sms")], by="event-1")
        )
        assert elsewhere.recipients[ANN].reason == ""
    assert told(deployment, (B, A), "").recipients[ANN].reason == "already_delivered"
    assert told(deployment, (B,), "").recipients[ANN].reason == "already_delivered", "it stands under the first key now"


def test_the_guard_against_loops_counts_on_when_keys_change(deployment: Deployment) -> None:
    def may(configured: Sequence[EncryptionKey], key: str) -> bool:
        reason: str | None = deployment.ask(
            configured,
            lambda store: reason_against_answer(store, ANN, effect_key=key, limit=2, budget=9, window=60),
        )
        return reason is None

    assert may((), "1")
    assert may((A,), "2")
    assert not may((B, A), "3")
    assert may((B, A), "1"), "what may be answered once may be answered again"
    assert deployment.everything().count(ANN) == 1


def test_what_a_phone_can_do_is_remembered_and_forgotten_when_keys_change(deployment: Deployment) -> None:
    def known(configured: Sequence[EncryptionKey]) -> Any:
        return deployment.ask(configured, lambda store: recall(store, "agent", [ANN]))

    deployment.ask((A,), lambda store: remember(store, "agent", {ANN: Capability(("X",))}))
    assert known((B, A)) == {ANN: Capability(("X",))}
    assert known((B,)) == {}
    assert ANN not in deployment.everything()
    deployment.ask((B, A), lambda store: forget(store, "agent", ANN))
    assert known((A,)) == {}


def test_hidden_opt_outs_of_any_spelling_are_one(deployment: Deployment) -> None:
    key = EncryptionKey(secrets.token_bytes(32))
    deployment.hear((key,), "out", 5, "+1 (312) 555-0101")
    assert deployment.opted_out((key,), "1312.555.0101")
