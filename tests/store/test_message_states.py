"""The state of a message by the real scripts: accepted in any order, any number of times, by whichever way."""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from service.events import read_envelope
from service.events.message import MessageStatus, RecipientStatus
from service.security.encryption import EncryptionKey, Sealer
from service.store.connection import connect
from service.store.facts.message_states import MessageState, Purpose, Recipient, read_state
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.transfer import ImportedEvent, import_events
from service.store.store import Store
from tests.pending import pending
from tests.store.half_way import T, new_world
from tests.telnyx_events import Body, envelope, finalized_rcs

ANN, BOB, MASKED = "+13125550101", "+13125550102", "+1312555****"
RANK = ("a_new_one", "b_new_one", "queued", "sending", "sent", "delivery_unconfirmed", "expired", "sending_failed")
STATUSES = (*RANK, "delivery_failed", "delivered", "read")
REACHED = frozenset({"delivered", "read"})
A, B = (EncryptionKey(bytes([each]) * 32) for each in (1, 2))


class States:
    """The states of messages in a namespace of their own, told of by accepted events."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.redis = connect(url, timeout=5, connections=1)
        self.namespace = f"t{uuid.uuid4().hex[:12]}"

    def store(self, configured: Sequence[EncryptionKey] = ()) -> Store:
        return Store(self.redis, self.namespace, Sealer(tuple(configured)))

    def arrive(self, body: Body, *, by: str = "webhook", configured: Sequence[EncryptionKey] = ()) -> str:
        """Accept or import an event as it arrives; answers what became of it."""
        raw = orjson.dumps(body)
        if by == "import":
            foreign = ImportedEvent(body["data"]["id"], body["data"]["event_type"], raw, "webhook", 1, 1, {})
            [answer] = self.runner.run(import_events(self.store(configured), [foreign], run_them=False, keep=3600.0))
            return answer
        arrival = NewEvent.from_envelope(read_envelope(raw), raw, by)
        return self.runner.run(accept(self.store(configured), [arrival]))[0].status

    def ask(
        self, *numbers: str, message: str = "m", by: str = "event", purpose: Purpose = "read", at: float = 0
    ) -> MessageState:
        asked = [Recipient(number, f"sms-{number}") for number in numbers]
        return self.runner.run(read_state(self.store(), message, asked, by=by, purpose=purpose, at=at))

    def reason(self, number: str = ANN, *, by: str = "event") -> str:
        return self.ask(number, by=by).recipients[number].reason

    def stored(self, message: str = "m") -> dict[bytes, bytes]:
        return self.runner.run(_read(self.redis, f"{self.namespace}:message:{message}"))

    def ledger_says(self, effect: str, **fields: str | int) -> None:
        self.runner.run(_write(self.redis, f"{self.namespace}:effect:{effect}", fields))

    def forget(self) -> None:
        self.runner.run(_delete(self.redis, f"{self.namespace}:message:m"))

    def left(self) -> int:
        """Milliseconds for which the state is still kept."""
        return self.runner.run(_left(self.redis, f"{self.namespace}:message:m"))

    def close(self) -> None:
        self.runner.run(self.redis.aclose())
        self.runner.close()


async def _read(redis: "Redis", name: str) -> dict[bytes, bytes]:
    return await pending(redis.hgetall(name))


async def _delete(redis: "Redis", name: str) -> None:
    await redis.delete(name)


async def _left(redis: "Redis", name: str) -> int:
    return int(await redis.pttl(name))


async def _write(redis: "Redis", name: str, fields: dict[str, str | int]) -> None:
    await pending(redis.hset(name, mapping=fields))


@pytest.fixture
def states(redis_url: str) -> Iterator[States]:
    opened = States(redis_url)
    yield opened
    opened.close()


def event(*recipients: tuple[str | None, str], message: str = "m", event_id: str | None = None, **more: Any) -> Body:
    """An event that tells the statuses of a message's recipients."""
    to = [{"phone_number": number, "status": status} for number, status in recipients]
    body = envelope("message.finalized", finalized_rcs("sent", ANN, id=message, to=to, **more), event_id=event_id)
    body["data"]["occurred_at"] = "2026-01-05T12:00:00Z"
    return body


EVENTS = st.lists(
    st.lists(st.tuples(st.sampled_from([ANN, BOB, MASKED, ""]), st.sampled_from(STATUSES)), min_size=1, max_size=3),
    min_size=1,
    max_size=6,
)
WAYS = st.sampled_from(["webhook", "failover", "healed", "import"])


@pytest.mark.parametrize(
    "examples",
    [
        15,
        pytest.param(60, marks=pytest.mark.slow),
        pytest.param(2000, marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
    ],
)
def test_any_order_repetition_and_way_of_arrival_comes_to_the_same_state(redis_url: str, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(told=EVENTS, data=st.data())
    def check(told: list[list[tuple[str, str]]], data: st.DataObject) -> None:
        states = States(redis_url)
        try:
            events = [(recipients, f"e{number}") for number, recipients in enumerate(told)]
            again = data.draw(st.lists(st.sampled_from(events)))
            shuffled = data.draw(st.permutations([*events, *again]))
            ways = data.draw(st.lists(WAYS, min_size=len(shuffled), max_size=len(shuffled)))
            for recipients, event_id in events:
                states.arrive(event(*recipients, message="straight", event_id=f"straight-{event_id}"))
            for (recipients, event_id), way in zip(shuffled, ways, strict=True):
                states.arrive(event(*recipients, message="shuffled", event_id=f"shuffled-{event_id}"), by=way)
            assert _neutral(states.stored("shuffled")) == _neutral(states.stored("straight"))
            _matches_the_model(states, told)
        finally:
            states.close()

    check()


def _neutral(stored: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """A stored state without what tells the two messages' events apart."""

    def neutral(text: bytes) -> bytes:
        return text.replace(b"straight-", b"").replace(b"shuffled-", b"")

    return {neutral(name): neutral(value) for name, value in stored.items()}


def _matches_the_model(states: States, told: list[list[tuple[str, str]]]) -> None:
    """What is answered of Ann, against a few lines that know nothing of how it is kept."""
    for number in (ANN, BOB):
        own = [status for each in told for who, status in each if who == number]
        readable = {who for each in told for who, _ in each if who in (ANN, BOB)}
        only = max(map(len, told)) == 1 and readable <= {number}
        masked = [status for each in told for who, status in each if who in (MASKED, "")]
        reached = REACHED.intersection(own + (masked if only else []))
        stands_against = not only and any(
            status in REACHED
            for each in told
            if all(who != number for who, _ in each)
            for who, status in each
            if who in (MASKED, "")
        )
        expected = "already_delivered" if reached else "recipient_unreadable" if stands_against else ""
        assert states.ask(number, message="shuffled").recipients[number].reason == expected
        assert states.ask(number, message="straight").recipients[number].reason == expected


@pytest.mark.parametrize("way", ["webhook", "failover", "import"])
def test_a_delivery_holds_from_its_acceptance_on_by_whichever_way_it_comes(states: States, way: str) -> None:
    states.arrive(event((ANN, "delivered")), by=way)
    assert states.reason() == "already_delivered"


@pytest.mark.parametrize("way", ["webhook", "import"])
def test_a_repeated_delivery_is_merged_again(states: States, way: str) -> None:
    """Whatever became of the state meanwhile: an event that is known already still tells it."""
    body = event((ANN, "delivered"), event_id="e")
    states.arrive(body)
    states.forget()
    assert states.arrive(body, by=way) in {"duplicate", "known"}
    assert states.reason() == "already_delivered"


@pytest.mark.parametrize("way", ["emit", "schedule", "cron"])
def test_a_derived_event_tells_nothing_of_a_message(states: States, way: str) -> None:
    states.arrive(event((ANN, "delivered")), by=way)
    assert states.stored() == {}


def test_an_inbound_message_has_no_state(states: States) -> None:
    payload = finalized_rcs("delivered", ANN, id="m", direction="inbound")
    states.arrive(envelope("message.received", payload))
    assert states.stored() == {}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ELSEWHERE = sorted(set(finalized_rcs("read", ANN)) - {"id", "to"})


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(replaced=st.dictionaries(st.sampled_from(ELSEWHERE), ANYTHING, min_size=1), beside=ANYTHING)
def test_no_other_field_hides_a_delivery(redis_url: str, replaced: dict[str, object], beside: object) -> None:
    states = States(redis_url)
    try:
        body = event((ANN, "delivered"))
        body["data"]["payload"].update({name: value for name, value in replaced.items() if name != "type"})
        body["data"]["payload"]["to"][0].update(carrier=beside, line_type=beside, errors=beside)
        body["data"]["occurred_at"] = beside
        states.arrive(body)
        assert states.reason() == "already_delivered"
    finally:
        states.close()


@pytest.mark.parametrize(
    "to",
    [
        {"phone_number": ANN, "status": "delivered"},
        [{"phone_number": "1 (312) 555-0101", "status": "delivered"}],
        [None, 7, {"phone_number": {}, "status": []}, {"phone_number": ANN, "status": "delivered"}],
        [{"phone_number": int(ANN), "status": "delivered"}],
        [{"phone_number": ANN, "status": " Delivered"}],
        [{"phone_number": ANN, "status": "READ"}],
    ],
)
def test_each_recipient_is_read_by_itself(states: States, to: object) -> None:
    body = event((ANN, "sent"))
    body["data"]["payload"]["to"] = to
    states.arrive(body)
    assert states.reason() == "already_delivered"


@pytest.mark.parametrize("to", [ANN, {"phone_number": ANN}, [{"phone_number": ANN, "status": None}]])
def test_a_receipt_is_a_reading_without_a_status_too(states: States, to: object) -> None:
    body = event((ANN, "read"))
    body["data"]["event_type"], body["data"]["payload"]["to"] = "message.read", to
    states.arrive(body)
    assert states.reason() == "already_delivered"


@pytest.mark.parametrize("kind", ["sms", " MMS"])
def test_a_native_fallback_counts_in_any_spelling(states: States, kind: str) -> None:
    body = event((ANN, "sent"))
    body["data"]["payload"]["type"] = kind
    states.arrive(body)
    assert states.reason() == "native_fallback"


@pytest.mark.parametrize("hidden", [MASKED, "", None, "+1•••", "redacted", "user@example.com"])
def test_an_unreadable_recipient_is_the_messages_only_one(states: States, hidden: str | None) -> None:
    states.arrive(event((hidden, "delivered")))
    assert states.reason() == "already_delivered"
    states.arrive(event((ANN, "delivery_failed")))
    assert states.reason() == "already_delivered"


def test_among_several_an_unreadable_delivery_stands_against_each_that_it_may_be_of(states: States) -> None:
    states.arrive(event((MASKED, "delivered"), (MASKED, "sent")))
    states.arrive(event((ANN, "delivery_failed"), (BOB, "delivery_failed")))
    assert (states.reason(ANN), states.reason(BOB)) == ("recipient_unreadable", "recipient_unreadable")


def test_an_unreadable_delivery_is_not_of_the_one_whom_the_same_event_names(states: States) -> None:
    states.arrive(event((ANN, "delivery_failed"), (MASKED, "delivered")))
    assert (states.reason(ANN), states.reason(BOB)) == ("", "recipient_unreadable")


def test_an_unreadable_failure_stands_against_nobody(states: States) -> None:
    states.arrive(event((ANN, "delivery_failed"), (MASKED, "delivery_failed"), ("", "sent")))
    assert (states.reason(ANN), states.reason(BOB)) == ("", "")


def test_a_message_that_went_out_as_sms_by_itself_is_known_by_its_other_events(states: States) -> None:
    states.arrive(event((ANN, "delivery_failed")))
    assert states.reason() == ""
    states.arrive(event((ANN, "sent"), type="SMS"))
    assert states.reason() == "native_fallback"


def test_a_hold_is_counted_from_its_first_moment(states: States) -> None:
    assert states.ask(ANN).recipients[ANN].held is None
    assert states.ask(ANN, purpose="hold", at=1.0).recipients[ANN].held == 1.0
    assert states.ask(ANN, purpose="hold", at=2.0).recipients[ANN].held == 1.0
    assert states.ask(ANN).recipients[ANN].held == 1.0


def test_a_double_delivery_is_told_once_with_its_carrier(states: States) -> None:
    body = event((ANN, "delivery_failed"))
    body["data"]["payload"]["to"][0]["carrier"] = "T-MOBILE USA, INC."
    states.arrive(body)
    assert states.ask(ANN, purpose="sent").double_deliveries == ()
    states.arrive(event((MASKED, "read")))
    assert states.ask(ANN).double_deliveries == ("T-MOBILE USA, INC.",)
    assert states.ask(ANN).double_deliveries == ()


@pytest.mark.parametrize("order", [("a_new_one", "b_new_one"), ("b_new_one", "a_new_one")])
def test_of_two_statuses_that_mean_nothing_to_us_the_same_one_stays(states: States, order: tuple[str, str]) -> None:
    for status in order:
        states.arrive(event((ANN, status)))
    assert states.ask(ANN).recipients[ANN].status == "b_new_one"


def test_events_that_name_one_recipient_each_are_of_a_message_with_several(states: States) -> None:
    for number, status in ((ANN, "delivery_failed"), (BOB, "sent"), (MASKED, "delivered")):
        states.arrive(event((number, status)))
    assert (states.reason(ANN), states.reason(BOB)) == ("recipient_unreadable", "recipient_unreadable")


@pytest.mark.parametrize("order", [("A", "B"), ("B", "A")])
def test_the_same_of_two_carriers_stays_in_either_order(states: States, order: tuple[str, str]) -> None:
    for carrier in order:
        body = event((ANN, "sent"))
        body["data"]["payload"]["to"][0]["carrier"] = carrier
        states.arrive(body)
    assert states.stored()[f"carrier:p:{ANN}".encode()] == b"A"


def test_states_do_not_stay_for_ever(states: States) -> None:
    states.arrive(event((ANN, "delivered")))
    assert 6 * 86_400_000 < states.left() <= 7 * 86_400_000


@pytest.mark.anyio
async def test_a_message_under_way_is_asked_for_during_ten_days(server: "Redis") -> None:
    world = new_world(server)

    async def sent(message_id: str, *, days: float) -> list[bytes]:
        world.redis.now = int(T + days * 86_400_000)
        said = MessageStatus(message_id, "SMS", (RecipientStatus(ANN, "sent", "T"),))
        await accept(world.store, [NewEvent(message_id, "message.sent", b"{}", "webhook", message=said)])
        return await pending(world.redis.zrange(f"{world.keys.namespace}:under_way", 0, -1))

    await sent("first", days=0)
    assert await sent("second", days=10) == [b"first", b"second"]
    assert await sent("third", days=10.02) == [b"second", b"third"]
