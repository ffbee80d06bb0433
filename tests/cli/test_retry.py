"""`ringback dead retry` and `drop`: what runs again, what does not, and that nothing is sent twice."""

import asyncio
import itertools
from typing import Any

import pytest

from service import Context, Event, Router
from service.outcome import Dead
from service.store.inbox import dead_letters
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.records import EventRecord
from service.store.store import Store
from tests.cli.deployment import Deployment
from tests.cli.operator import Operator
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, fresh_number
from tests.waiting import wait_for


@pytest.fixture
def operator(stack: Stack) -> Operator:
    return Operator.of(stack)


def something(number: str) -> dict[str, Any]:
    return envelope("test.something", {"number": number})


class Flaky:
    """A handler that sends one SMS and then fails as often as it is told, beside one that is well."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.attempts: list[int] = []
        self.steady_runs = 0
        self.router = Router()
        self.router.on("test.*", max_attempts=1, name="flaky")(self.flaky)
        self.router.on("test.*", name="steady")(self.steady)

    async def flaky(self, event: Event[dict[str, Any]], ctx: Context) -> None:
        self.attempts.append(ctx.attempt)
        await ctx.telnyx.messages.send(from_=SMS_FROM, to=event.payload["number"], text="hello")
        if len(self.attempts) <= self.failures:
            raise ValueError

    async def steady(self, event: Event[dict[str, Any]], ctx: Context) -> None:
        self.steady_runs += 1


def messages_to(stack: Stack, number: str) -> int:
    """How many messages Telnyx has sent to a number."""
    return sum(each.to == number for each in stack.simulator.account.messages)


def dead(stack: Stack, body: Any) -> EventRecord:
    return stack.when(body, lambda record: record.state == "dead")


def test_only_what_is_dead_runs_again_and_what_was_sent_is_not_sent_again(stack: Stack, operator: Operator) -> None:
    flaky, number = Flaky(failures=2), fresh_number()
    stack.start_worker(flaky.router)
    event = something(number)
    stack.deliver(event)
    dead(stack, event)

    for _ in range(2):
        ran = operator.run("dead", "retry", event["data"]["id"], "--yes")
        assert ran.stdout == "retried: 1 event.\n"
        stack.when(event, lambda record: record.state != "open")

    record = stack.ended(event)
    assert record.state == "done"
    assert flaky.attempts == [1, 1, 1], "attempts are counted anew"
    assert flaky.steady_runs == 1
    assert len(stack.sent_to(number)) == 1
    assert [run.outcome for run in record.handlers["flaky"].runs] == ["dead", "dead", "done"], "its history stays"
    assert [(note.what, note.about) for note in record.notes] == [("retried", {"flaky": "ValueError"})] * 2
    operator.run("dead", "list")


def test_it_asks_and_nothing_happens_without_a_yes(stack: Stack, operator: Operator) -> None:
    flaky = Flaky(failures=1)
    stack.start_worker(flaky.router)
    event = something(fresh_number())
    stack.deliver(event)
    dead(stack, event)

    ran = operator.run("dead", "retry", event["data"]["id"], code=1)
    assert "Retry 1 event?" in ran.stderr
    ran = operator.run("dead", "drop", "--all", code=1)
    assert "Forget 1 event for good?" in ran.stderr
    assert dead(stack, event).notes == ()


def test_an_effect_of_unknown_fate_waits_for_a_persons_word(stack: Stack, operator: Operator) -> None:
    number, runs = fresh_number(), itertools.count(1)
    router = Router()

    @router.on("test.something", max_attempts=1)
    async def create(event: Event[dict[str, Any]], ctx: Context) -> None:
        next(runs)
        answer = await ctx.telnyx.messages.send(from_=SMS_FROM, to=number, text="hello")
        assert answer.data is not None

    stack.simulator.add_fault(kind="reset", when="after", times=1)
    stack.start_worker(router, resend="never")
    event = something(number)
    stack.deliver(event)
    assert dead(stack, event).handlers["create"].reason == "ambiguous"
    event_id = event["data"]["id"]

    refused = operator.run("dead", "retry", event_id, "--yes", code=1)
    assert f"ringback dead retry {event_id} --sent, or --not-sent" in refused.stderr
    skipped = operator.run("dead", "retry", "--all", "--yes")
    assert skipped.stdout == "retried: 0 events.\n"
    assert "Unchanged: 1 event (whether an effect of it happened is not known" in skipped.stderr
    assert "nobody knows whether it took effect" in operator.run("events", "show", event_id).stdout

    operator.run("dead", "retry", event_id, "--sent", "--yes")
    record = stack.ended(event)
    assert record.state == "done"
    assert messages_to(stack, number) == 1
    assert [note.what for note in record.notes] == ["sent", "retried"]
    shown = operator.run("events", "show", event_id).stdout
    assert "says an operator" in shown
    assert number not in shown


def test_not_sent_lets_it_be_sent(stack: Stack, operator: Operator) -> None:
    number = fresh_number()
    flaky = Flaky(failures=0)
    stack.simulator.add_fault(kind="reset", when="after", times=1)
    stack.start_worker(flaky.router, resend="never")
    event = something(number)
    stack.deliver(event)
    dead(stack, event)

    operator.run("dead", "retry", event["data"]["id"], "--not-sent", "--yes")

    assert stack.ended(event).state == "done"
    assert messages_to(stack, number) == 1, "under the same key, which Telnyx still knows"


@pytest.mark.parametrize("code", ["40300", "40310"])
def test_what_telnyx_refused_is_asked_for_once_more_unless_it_told_of_a_stop(
    stack: Stack, operator: Operator, code: str
) -> None:
    number, flaky = fresh_number(), Flaky(failures=0)
    stack.simulator.add_fault(kind="status", status=403, code=code, times=1)
    stack.start_worker(flaky.router)
    event = something(number)
    stack.deliver(event)
    assert dead(stack, event).handlers["flaky"].reason == code
    assert stack.sent_to(number) == []

    operator.run("dead", "retry", "--reason", code, "--yes")

    handler = stack.ended(event).handlers["flaky"]
    sent = len(stack.sent_to(number))
    assert (handler.state, handler.reason, sent) == (("done", "opted_out", 0) if code == "40300" else ("done", None, 1))


def test_by_handler_and_reason_only_what_fits_is_retried(stack: Stack, operator: Operator) -> None:
    router, runs = Router(), list[str]()
    for name in ("one", "two"):

        async def fail(event: Event[Any], ctx: Context, name: str = name) -> None:
            runs.append(name)
            raise Dead(f"reason_{name}", "no")

        async def handler(event: Event[Any], ctx: Context, fail: Any = fail) -> None:
            await fail(event, ctx)

        router = Router(router, _one(name, fail))
    stack.start_worker(router)
    event = something(fresh_number())
    stack.deliver(event)
    dead(stack, event)
    runs.clear()

    operator.run("dead", "retry", "--handler", "one", "--reason", "reason_two", "--yes")
    operator.run("dead", "retry", "--type", "test.other", "--yes")
    assert runs == []
    assert operator.run("dead", "retry", "--handler", "one", "--yes").stdout == "retried: 1 event.\n"
    assert dead(stack, event).handlers["two"].runs[1:] == ()
    assert runs == ["one"]


def _one(name: str, fail: Any) -> Router:
    router = Router()

    @router.on("test.*", name=name)
    async def handler(event: Event[Any], ctx: Context) -> None:
        await fail(event, ctx)

    return router


def test_an_open_event_is_left_as_it_is(deployment: Deployment) -> None:
    deployment.one_of_each()
    for event_id in ("open", "leased", "done", "ignored"):
        ran = deployment.run("dead", "retry", event_id, "--yes")
        assert (ran.code, ran.stderr) == (1, f"{event_id}: not dead (any more)\n")
        assert deployment.run("dead", "drop", event_id, "--yes").code == 1
    assert "there is no such event" in deployment.run("dead", "retry", "nothing", "--yes").stderr
    assert deployment.run("audit").stdout == "5 accepted = 1 done + 1 ignored + 1 dead + 2 open\n0 differ\n"


def test_bulk_is_exact_and_drop_lowers_both_sides(deployment: Deployment) -> None:
    from service.store.inbox.handler_records import HandlerRecord

    ids = [f"event-{number}" for number in range(120)]
    deployment.accept(*ids)
    for number, event_id in enumerate(ids):
        deployment.finish(event_id, greet=HandlerRecord("dead", 8, reason="odd" if number % 2 else "even"))

    assert deployment.run("dead", "drop", "--reason", "odd", "--yes").stdout == "dropped: 60 events.\n"
    assert deployment.run("audit").stdout.startswith("60 accepted = 0 done + 0 ignored + 60 dead + 0 open\n0 differ")
    assert deployment.run("dead", "retry", "--all", "--yes").stdout == "retried: 60 events.\n"
    assert deployment.run("audit").stdout.startswith("60 accepted = 0 done + 0 ignored + 0 dead + 60 open\n0 differ")
    assert deployment.run("dead", "retry", "--all", "--yes").stdout == "retried: 0 events.\n"


def test_an_event_that_killed_its_workers_comes_back_as_a_suspect(deployment: Deployment) -> None:
    from service.store.inbox.handler_records import HandlerRecord

    deployment.accept("one")
    deployment.finish("one", greet=HandlerRecord("dead", 0, reason="killed_worker"))
    deployment.redis.hset(deployment.keys.event("one"), mapping={"lapses": 3, "alone": 1})
    deployment.run("dead", "retry", "one", "--yes")
    assert deployment.redis.hmget(deployment.keys.event("one"), ["lapses", "alone"]) == [b"2", None]
    assert deployment.run("audit").code == 0


@pytest.mark.parametrize(
    "options",
    [(), ("one", "--all"), ("one", "--type", "x"), ("--sent",), ("one", "--sent", "--not-sent"), ("--since", "soon")],
    ids=" ".join,
)
def test_bad_usage_exits_2_and_changes_nothing(deployment: Deployment, options: tuple[str, ...]) -> None:
    deployment.one_of_each()
    assert deployment.run("dead", "retry", *options, "--yes").code == 2
    assert deployment.run("audit").stdout.startswith("5 accepted = 1 done + 1 ignored + 1 dead + 2 open")


def test_a_quarantined_job_is_not_retried_but_dropped(deployment: Deployment) -> None:
    from service.store.inbox.dead_letters import quarantine

    deployment.redis.zadd(deployment.keys.queue, {"somebody": 1})
    deployment.ask(lambda store: quarantine(store, "somebody", "no_job", "nobody's"))
    assert deployment.run("dead", "retry", "foreign:somebody", "--yes").code == 1
    assert deployment.run("dead", "drop", "foreign:somebody", "--yes").stdout == "dropped: 1 event.\n"
    assert deployment.run("audit").stdout.startswith("0 accepted")


@pytest.mark.slow
def test_persons_at_once_while_workers_run_do_no_harm(stack: Stack, operator: Operator) -> None:
    """Two retry and one replays whatever there is, again and again, while events die and are worked on."""
    flaky = Flaky(failures=300)
    for _ in range(2):
        stack.start_worker(flaky.router)
    bodies = [something(f"+1312555{each:04d}") for each in range(100)]
    for body in bodies:
        stack.deliver(body)
    ids = [body["data"]["id"] for body in bodies]

    async def person(store: Store, *, replays: bool) -> None:
        for _ in range(60):
            for start in range(0, len(ids), 50):
                some = ids[start : start + 50]
                await (
                    dead_letters.replay(store, some, by="ann") if replays else dead_letters.retry(store, some, by="ann")
                )

    async def persons(store: Store) -> None:
        await asyncio.gather(*(person(store, replays=replays) for replays in (False, False, True)))

    stack.ask(persons)
    flaky.failures = 0
    wait_for(lambda: all((record := stack.record(each)) and record.state in ("done", "dead") for each in ids))
    operator.run("dead", "retry", "--all", "--yes")
    for body in bodies:
        assert stack.ended(body).state == "done"
    operator.run("events", "list")
    for body in bodies:
        assert messages_to(stack, body["data"]["payload"]["number"]) == 1


def test_runs_that_are_an_empty_list_are_left_out(deployment: Deployment) -> None:
    deployment.accept("one")
    deployment.finish("one", greet=HandlerRecord("dead", attempts=1))
    key = deployment.keys.event("one")
    deployment.redis.hset(key, "h:greet", '{"state": "dead", "runs": []}')
    assert deployment.run("dead", "retry", "one", "--yes").code == 0
    stored = deployment.redis.hget(key, "h:greet")
    assert b'"runs"' not in (stored or b"")  # type: ignore[operator]
