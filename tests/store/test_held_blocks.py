"""A block that a reading of the API opens: no answer of Telnyx lifts it, and one probe a minute goes through."""

from service.outbound import gate
from service.outbound.api_call import Call
from service.outbound.errors import TelnyxResponse
from service.outbound.gate import Gate, campaign_block, sender_digest
from service.store.effects import blocks
from service.store.effects.rate_limits import Granted
from service.store.inbox.accept import NewEvent, accept
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, HandlerResults, claim, finish
from service.store.inbox.search import EventFilter, search
from service.store.store import Store
from tests.outbound.parking import open_by_name
from tests.stack import Stack

FROM = "+13125550199"
SEND = Call("POST", "/messages", product="sms", sender=FROM, carrier="AT&T")
OF_NUMBER = campaign_block(sender_digest(FROM, None))
AT_CARRIER = campaign_block(sender_digest(FROM, None), "AT&T")
REFUSED = TelnyxResponse(400, body=b'{"errors": [{"code": "40010"}]}')


def hold(stack: Stack, name: str = OF_NUMBER) -> bool:
    return stack.ask(lambda store: blocks.hold(store, name, detail="suspended", advice="ask", interval=60))


def may_go(stack: Stack, call: Call = SEND, event: str = "any") -> bool:
    async def ask(store: Store) -> bool:
        answer = await Gate(store, stack.settings).acquire(call, event_id=event, returning=False)
        return isinstance(answer, Granted)

    return stack.ask(ask)


def report(stack: Stack, answer: TelnyxResponse, event: str = "any") -> None:
    async def heard(store: Store) -> None:
        await Gate(store, stack.settings).report(SEND, answer, event_id=event)

    stack.ask(heard)


def make_probe_due(stack: Stack, name: str = OF_NUMBER) -> None:
    async def due(store: Store) -> None:
        await store.redis.hset(f"{store.namespace}:block:{name}", "probe_at", "0")  # type: ignore[misc]

    stack.ask(due)


def test_it_holds_the_sends_of_its_number_and_no_others(stack: Stack) -> None:
    assert hold(stack)
    assert not hold(stack)
    assert not may_go(stack)
    assert may_go(stack, Call("POST", "/messages", product="sms", sender="+13125550198"))
    assert may_go(stack, Call("POST", "/messages/rcs", product="rcs", sender=FROM))


def test_that_of_a_carrier_holds_only_what_goes_there(stack: Stack) -> None:
    hold(stack, AT_CARRIER)
    assert not may_go(stack)
    for carrier in ("Verizon", None):
        assert may_go(stack, Call("POST", "/messages", product="sms", sender=FROM, carrier=carrier))


def test_that_of_all_but_one_carrier_lets_only_that_one_through(stack: Stack) -> None:
    hold(stack, campaign_block(sender_digest(FROM, None), gate.OTHER_CARRIERS))
    assert not may_go(stack)
    assert may_go(stack, Call("POST", "/messages", product="sms", sender=FROM, carrier=gate.T_MOBILE))


def test_an_accepted_probe_lifts_nothing_and_makes_somebody_look(stack: Stack) -> None:
    hold(stack)
    make_probe_due(stack)
    assert may_go(stack, event="probe")
    assert not may_go(stack, event="second")
    report(stack, TelnyxResponse(200), event="probe")
    assert not may_go(stack, event="third")
    [raised] = stack.ask(lambda store: search(store, limit=10, wanted=EventFilter(type=gate.PROBE_ACCEPTED)))
    assert raised.id == f"probe:{OF_NUMBER}:probe"


def test_a_refused_probe_is_followed_by_another_a_minute_later(stack: Stack) -> None:
    hold(stack)
    make_probe_due(stack)
    may_go(stack, event="probe")
    report(stack, REFUSED, event="probe")

    async def next_probe(store: Store) -> float:
        at = await store.redis.hget(f"{store.namespace}:block:{OF_NUMBER}", "probe_at")  # type: ignore[misc]
        seconds, _ = await store.redis.time()
        return float(at or 0) / 1000 - float(seconds)

    assert 55 < stack.ask(next_probe) <= 61


def test_a_start_of_a_worker_is_no_reason_to_probe_it(stack: Stack) -> None:
    """A probe costs a message, and the API has just said that it would fail."""
    hold(stack)
    stack.ask(lambda store: blocks.probe(store, at_once=True))
    assert not may_go(stack)


def test_a_refusal_opens_a_block_that_the_next_success_lifts(stack: Stack) -> None:
    report(stack, REFUSED)
    assert not may_go(stack)
    assert not open_by_name(stack)[OF_NUMBER].held
    report(stack, TelnyxResponse(200))
    assert may_go(stack)


def test_lifting_it_is_done_once(stack: Stack) -> None:
    hold(stack)
    assert stack.ask(lambda store: blocks.lift(store, OF_NUMBER)) == 0
    assert stack.ask(lambda store: blocks.lift(store, OF_NUMBER)) is None
    assert may_go(stack)


def test_lifting_it_makes_what_it_held_due_at_once(stack: Stack) -> None:
    hold(stack)

    async def lift(store: Store) -> list[int | None]:
        await accept(store, [NewEvent("x", "test.x", b"{}", "webhook")])
        [lease] = (await claim(store, ClaimRequest("w", 1, 60, 10, {"one": ["*"]}))).leases
        parked = HandlerRecord("parked", due=10**15, blocked_by=OF_NUMBER)
        await finish(store, [HandlerResults.of(lease, {"one": parked}, release=True)])
        held = len((await claim(store, ClaimRequest("w", 2, 60, 10, {"one": ["*"]}))).leases)
        lifted = await blocks.lift(store, OF_NUMBER)
        return [held, lifted, len((await claim(store, ClaimRequest("w", 3, 60, 10, {"one": ["*"]}))).leases)]

    assert stack.ask(lift) == [0, 1, 1]
