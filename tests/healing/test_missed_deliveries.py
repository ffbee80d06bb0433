"""Events that Telnyx could not deliver, or that the store has lost, are found and processed once."""

import time
from typing import Any

import pytest

from handlers import router as built_in
from service import Context, Event, Router
from service.healing import deliveries, missed_deliveries
from service.healing.report import HealReport
from service.healing.unfinished_messages import UnfinishedMessages
from service.outcome import Dead
from service.store.facts.consent import consent_of
from service.store.facts.message_states import Recipient, read_state
from service.store.inbox.accept import NewEvent, counts
from service.store.inbox.dead_letters import drop
from service.store.inbox.healing import MissedEvent, has_worker, state_of
from service.store.inbox.healing import heal as accept_missed
from service.store.inbox.maintenance import expire
from service.testing.simulator.webhooks.deliveries import WebhookEvent, WebhookTarget
from tests.healing.missed import HOUR, STRANGER, failed, heal, heal_through_outages, healed, installed
from tests.stack import Host, Stack, open_stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_sms
from tests.waiting import wait_for


def body(number: int = 0, **more: Any) -> dict[str, Any]:
    return envelope("message.received", received_sms(fresh_number(), f"text {number}", **more))


def counting(seen: list[str]) -> Router:
    router = Router()

    @router.on("*")
    async def count(event: Event, ctx: Context) -> None:
        seen.append(event.id)

    return router


def test_each_missed_event_is_processed_once_and_none_that_had_arrived(public_stack: Stack) -> None:
    stack, seen = public_stack, list[str]()
    installed(stack)
    stack.start_worker(counting(seen))
    arrived, missed = [body() for _ in range(3)], [body(each) for each in range(220)]
    url = stack.settings.require_public_url()
    for each in arrived:
        assert stack.deliver(each).status_code == 200
        failed(stack, each, answers=[(url, None), (url, 200)])
        # Answered too late: Telnyx believes that it failed.
        failed(stack, each)
    for each in missed:
        failed(stack, each)

    report = heal(stack)

    assert (report.deliveries, report.ours, report.known, len(report.healed)) == (226, 226, 6, 220)
    assert healed(report) == sorted(each["data"]["id"] for each in missed)
    for each in [*arrived, *missed]:
        stack.ended(each)
    assert sorted(seen) == sorted(each["data"]["id"] for each in [*arrived, *missed])
    record = stack.recorded(missed[0]["data"]["id"])
    assert (record.arrived_by, record.deliveries) == ("healed", 1)
    again = heal(stack, since=5 * HOUR)
    assert (again.known, again.healed) == (226, [])
    assert stack.deliver(missed[0]).json() == {"status": "duplicate"}


def test_what_the_local_telnyx_itself_could_not_deliver_is_found_in_every_shape(host: Host) -> None:
    nowhere = "http://127.0.0.1:1/webhooks"
    with open_stack(host, public_url=nowhere) as stack:
        installed(stack, ago=1)
        host.simulator.webhook_url = nowhere
        host.simulator.reset()
        account, number = host.simulator.account, fresh_number()
        for _ in range(3):
            host.simulator.receive(sender=number, to="+13125550101", text="STOP")
        flat = WebhookEvent({"campaignId": "C1", "status": "DORMANT"}, account.clock.now(), flat=True)
        account.courier.send(flat, WebhookTarget(nowhere))
        wait_for(lambda: len(account.webhook_deliveries) == 4)
        host.simulator.advance(HOUR)
        wait_for(lambda: all(len(each.attempts) == 3 for each in account.webhook_deliveries))

        report = heal(stack)
        assert report.types() == {"message.received": 3, "10dlc.campaign.update": 1}
        assert stack.ask(lambda store: consent_of(store, number)).opted_out
        assert heal(stack, since=HOUR).healed == []


def test_an_event_that_telnyx_failed_to_deliver_twice_is_healed_once(public_stack: Stack) -> None:
    stack, missed = public_stack, body()
    installed(stack)
    failed(stack, missed)
    failed(stack, missed)
    report = heal(stack)
    assert (len(report.healed), report.known) == (1, 1)
    assert stack.ask(counts).accepted == 1


@pytest.mark.parametrize("act", [True, False], ids=["healing", "looking"])
def test_an_outage_in_the_middle_of_an_hour_lets_no_delivery_count_twice(
    public_stack: Stack, monkeypatch: pytest.MonkeyPatch, *, act: bool
) -> None:
    stack, cut_off = public_stack, list[int]()
    installed(stack)
    failed(stack, body(1), ago=1000)
    unreadable = failed(stack, None, ago=900)
    failed(stack, body(2), ago=1100)
    monkeypatch.setattr(deliveries, "PAGE", 1)
    real = missed_deliveries.MissedDeliveries._heal_page

    async def heal_page(mine: missed_deliveries.MissedDeliveries, rows: list[Any], report: HealReport) -> None:
        await real(mine, rows, report)
        cut_off.append(len(rows))
        if len(cut_off) == 2:
            raise OSError("Telnyx is out")

    monkeypatch.setattr(missed_deliveries.MissedDeliveries, "_heal_page", heal_page)
    report = heal_through_outages(stack, since=2 * HOUR, act=act)

    assert len(cut_off) == 5
    assert (report.deliveries, report.ours, report.known, len(report.healed)) == (3, 2, 0, 2)
    assert [each.source for each in report.failed] == [unreadable]


def test_an_outage_while_messages_are_read_lets_no_delivery_count_twice(
    public_stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, failures = public_stack, iter([OSError("Telnyx is out")])
    installed(stack)
    # Telnyx's clock is ahead: the last list has no end.
    failed(stack, body(), ago=-60)
    real = UnfinishedMessages.heal

    async def read_messages(mine: UnfinishedMessages, report: HealReport) -> None:
        for each in failures:
            raise each
        await real(mine, report)

    monkeypatch.setattr(UnfinishedMessages, "heal", read_messages)
    report = heal_through_outages(stack, since=HOUR)
    assert (report.deliveries, report.known, len(report.healed)) == (1, 0, 1)


def test_the_script_itself_refuses_events_of_a_forgotten_time(public_stack: Stack) -> None:
    stack, now = public_stack, int(time.time() * 1000)
    events = [
        MissedEvent(NewEvent(f"e{age}", "x", b'{"data":{}}', "healed"), now - age, now) for age in (120_000, 1000)
    ]
    verdicts = stack.ask(lambda store: accept_missed(store, events, retention=60))
    assert verdicts == [("forgotten", "e120000"), ("healed", "e1000")]


def test_neither_a_strangers_deliveries_nor_those_from_before_the_first_start_are_raised(public_stack: Stack) -> None:
    stack = public_stack
    installed(stack, ago=HOUR)
    failed(stack, body(), ago=60, answers=[(STRANGER, None)] * 3)
    failed(stack, body(), ago=2 * HOUR)
    failed(stack, body(), ago=60, answers=[(f"{stack.settings.require_public_url()}x", None)])

    assert heal(stack, since=24 * HOUR).healed == []
    assert stack.ask(lambda store: store.redis.zcard(store.keys.events)) == 0


@pytest.mark.parametrize("suffix", ["/", "?token=x", "#x"], ids=str)
def test_our_url_is_known_in_another_spelling(public_stack: Stack, suffix: str) -> None:
    installed(public_stack)
    failed(public_stack, body(), answers=[(public_stack.settings.require_public_url() + suffix, 503)])
    assert len(heal(public_stack).healed) == 1


def test_a_delivery_that_was_answered_200_by_a_store_that_lost_it_is_found(public_stack: Stack) -> None:
    stack, lost = public_stack, body()
    installed(stack)
    delivery = failed(stack, lost, answers=[(stack.settings.require_public_url(), 200)])

    [found] = heal(stack).healed
    assert (found.id, found.type, found.found, found.source) == (
        lost["data"]["id"],
        "message.received",
        "lost",
        delivery,
    )


def test_what_the_failover_url_has_taken_is_ours_only_if_it_leads_to_this_store(public_stack: Stack) -> None:
    stack = public_stack
    installed(stack)
    urls = (stack.settings.require_public_url(), str(stack.settings.failover_url))
    failed(stack, body(), answers=[(urls[0], None), (urls[1], 200)])
    both = body()
    failed(stack, both, answers=[(urls[0], None), (urls[1], None)])

    assert healed(heal(stack)) == [both["data"]["id"]]
    assert len(heal(stack, failover_shares_store=True, since=2 * HOUR).healed) == 1


def test_what_a_person_dropped_is_not_raised_again(public_stack: Stack) -> None:
    stack, dropped = public_stack, body()
    installed(stack)
    stack.start_worker(_dying())
    stack.deliver(dropped)
    stack.ended(dropped)
    assert stack.ask(lambda store: drop(store, [dropped["data"]["id"]], by="ann")) == ["dropped"]
    failed(stack, dropped)

    report = heal(stack)
    assert (report.dropped, report.healed) == (1, [])
    assert stack.record(dropped["data"]["id"]) is None


def test_what_the_store_has_let_go_of_is_not_raised_again(public_stack: Stack) -> None:
    stack, expired = public_stack, body()
    installed(stack)
    stack.start_worker(counting([]))
    stack.deliver(expired)
    stack.ended(expired)
    assert stack.ask(lambda store: expire(store, retention=0, dead_retention=0)) == 1
    failed(stack, expired)

    assert (heal(stack, since=9 * HOUR).healed, stack.record(expired["data"]["id"])) == ([], None)
    assert heal(stack, retention=10.0, since=9 * HOUR).since > time.time() - 60


def test_a_stop_that_was_missed_holds_and_a_message_state_is_merged(public_stack: Stack) -> None:
    stack, number = public_stack, fresh_number()
    installed(stack)
    failed(stack, envelope("message.received", received_sms(number, "STOP")))
    heal(stack)
    assert stack.ask(lambda store: consent_of(store, number)).opted_out


FLAT = {"campaignId": "C1", "brandId": "B1", "type": "TELNYX_EVENT", "status": "DORMANT"}


@pytest.mark.parametrize("shape", [FLAT, {"data": {"record_type": "event", "event_type": "x", "payload": FLAT}}])
def test_an_event_without_an_id_is_healed_once_and_not_where_it_was_handled_then(
    public_stack: Stack, shape: dict[str, Any]
) -> None:
    stack = public_stack
    installed(stack)
    stack.start_worker(counting([]))
    failed(stack, shape, ago=5 * HOUR)
    failed(stack, shape, ago=4.5 * HOUR)
    failed(stack, shape, ago=2 * HOUR)

    assert len(heal(stack).healed) == 2
    assert (heal(stack, since=6 * HOUR).healed, stack.deliver(shape).json()) == ([], {"status": "accepted"})
    failed(stack, shape, ago=1)
    failed(stack, shape, ago=1, answers=[(stack.settings.require_public_url(), 200)])
    assert heal(stack, since=6 * HOUR).healed == []


def test_a_dropped_event_without_an_id_is_not_raised_again_for_its_time(public_stack: Stack) -> None:
    stack = public_stack
    installed(stack)
    stack.start_worker(_dying())
    stack.deliver(FLAT)
    [event_id] = stack.ask(lambda store: store.redis.zrange(store.keys.events, 0, -1))
    stack.ended(event_id.decode())
    stack.ask(lambda store: drop(store, [event_id.decode()], by="ann"))
    failed(stack, FLAT, ago=60)
    failed(stack, FLAT, ago=3 * HOUR)

    report = heal(stack)
    assert (report.dropped, len(report.healed)) == (1, 1)


def test_a_row_of_ours_that_holds_no_event_is_named_and_hinders_no_other(public_stack: Stack) -> None:
    stack, fine = public_stack, body()
    installed(stack)
    odd = [failed(stack, None), failed(stack, envelope("message.received", {"text": "x" * 2000}))]
    failed(stack, fine)

    report = heal(stack, max_body=1500)
    assert sorted(each.source for each in report.failed) == sorted(odd)
    assert healed(report) == [fine["data"]["id"]]
    state = stack.ask(state_of)
    assert state is not None
    assert (state.healed, state.failed) == (1, 2)


def test_a_turn_that_was_cut_off_goes_on_and_a_whole_one_begins_where_it_ended(
    public_stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, bodies = public_stack, [body() for _ in range(3)]
    installed(stack)
    for hours, each in enumerate(bodies):
        failed(stack, each, ago=(8 - 2 * hours) * HOUR)
    page, calls = missed_deliveries.MissedDeliveries._heal_page, list[int]()

    async def broken(self: Any, rows: Any, report: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise ConnectionResetError
        await page(self, rows, report)

    monkeypatch.setattr(missed_deliveries.MissedDeliveries, "_heal_page", broken)
    with pytest.raises(ConnectionResetError):
        heal(stack)
    state = stack.ask(state_of)
    assert state is not None
    assert state.healed == 1
    assert 5 * HOUR < time.time() - state.until < 8 * HOUR
    assert healed(heal(stack)) == sorted(each["data"]["id"] for each in bodies[1:])
    assert time.time() - heal(stack).since < HOUR


def test_a_dry_run_tells_what_would_be_healed_and_changes_nothing(public_stack: Stack) -> None:
    stack, missed = public_stack, body()
    installed(stack)
    failed(stack, missed)
    before = stack.ask(state_of)

    assert healed(heal(stack, act=False)) == [missed["data"]["id"]]
    assert stack.record(missed["data"]["id"]) is None
    assert stack.ask(state_of) == before


def test_a_healed_failure_that_is_too_old_sends_nothing(public_stack: Stack) -> None:
    stack, number = public_stack, fresh_number()
    installed(stack)
    stack.start_worker(built_in)
    sent = "2026-01-05T12:00:00Z"
    old = envelope("message.finalized", finalized_rcs("delivery_failed", number, sent_at=sent))
    failed(stack, old)
    heal(stack)
    assert stack.ended(old).handlers["sms_fallback"].reason == "too_old"
    assert stack.sent_to(number) == []


def _dying() -> Router:
    router = Router()

    @router.on("*")
    async def die(event: Event, ctx: Context) -> None:
        raise Dead("broken", "it cannot be done")

    return router


def test_an_event_that_is_too_old_to_be_raised_still_opts_out_and_tells_of_a_delivery(
    public_stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, url, number = public_stack, public_stack.settings.require_public_url(), fresh_number()
    installed(stack, ago=HOUR)
    monkeypatch.setattr(missed_deliveries, "KEY_IS_HONOURED", 60_000)
    stop = envelope("message.received", received_sms(number, "revoke"))
    reached = envelope("message.finalized", finalized_rcs("delivered", number, id="message-that-arrived"))
    for each in (stop, reached):
        failed(stack, each, ago=600, answers=[(url, 200)])

    report = heal(stack)

    assert sorted(report.uncertain) == sorted(each["data"]["id"] for each in (stop, reached))
    assert stack.record(stop["data"]["id"]) is None
    assert stack.ask(lambda store: consent_of(store, number)).opted_out
    asked = [Recipient(number, "effect")]
    state = stack.ask(lambda store: read_state(store, "message-that-arrived", asked, by="another"))
    assert state.recipients[number].reason == "already_delivered"


@pytest.mark.parametrize(
    ("between", "failed_ago"),
    [(30, 400), (130, 400), (30, 2.5 * HOUR)],
    ids=["in a page", "pages apart", "hours apart"],
)
@pytest.mark.parametrize("later", ["STOP", "delivered"])
def test_what_calls_an_sms_off_counts_before_the_missed_failure_is_handled(
    public_stack: Stack, later: str, between: int, failed_ago: float
) -> None:
    stack, number = public_stack, fresh_number()
    installed(stack, ago=4 * HOUR)
    payload = finalized_rcs("delivery_failed", number)
    failure = envelope("message.finalized", payload)
    reached = {**payload, "to": [{"phone_number": number, "status": "delivered"}]}
    stop = received_sms(number, "STOP")
    calls_off = envelope(*(("message.received", stop) if later == "STOP" else ("message.finalized", reached)))
    # Telnyx lists the latest first. The feed waits for the worker before it comes to the last one.
    failed(stack, calls_off, ago=600)
    for each in range(between):
        failed(stack, body(each), ago=failed_ago + 100)
    failed(stack, failure, ago=failed_ago)
    stack.start_worker(built_in)
    wait_for(lambda: stack.ask(has_worker))

    heal(stack)

    record = stack.ended(failure)
    assert record.handlers["sms_fallback"].reason == ("opted_out" if later == "STOP" else "already_delivered")
    assert stack.sent_to(number) == []
