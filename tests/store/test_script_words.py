"""What Python asks scripts for, and how it reads their answers, without a server."""

import asyncio
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from pydantic import BaseModel, TypeAdapter
from redis import exceptions

from service.security.encryption import PLAIN
from service.settings import InvalidSettings
from service.store import server_checks
from service.store.connection_kinds import Departures
from service.store.effects.rate_limits import (
    Blocked,
    BlockSignal,
    CallReport,
    Deferred,
    Granted,
    detail_place,
    parse_admission,
)
from service.store.inbox import audit, erasure, leases, maintenance, order, workers
from service.store.inbox.accept import Counts, NewEvent, starting_traces
from service.store.inbox.audit import Totals
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, HandlerResults, HeldLease, Lease
from service.store.inbox.order import Placing, Turn
from service.store.inbox.workers import WorkerInfo, WorkerSign
from service.store.keys import Keys
from service.store.operators import bulk_jobs, issues
from service.store.redis_errors import NotReplicated
from service.store.store import CONFIRM_TIMEOUT, ScriptCall, Store, end_task


class Scripts:
    """A store that answers scripts from a table, and notes what they were asked."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers, self.asked = answers, list[tuple[Any, ...]]()
        self.encryption, self.keys = PLAIN, Keys("ns")

    async def run(self, name: str, *words: Any) -> Any:
        self.asked.append((name, *words))
        return self.answers[name].pop(0)


def scripts(**answers: list[Any]) -> Any:
    return Scripts(**answers)


REQUEST = ClaimRequest("w", 7, 1.5, 2, {"greet": ["*"]})


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (REQUEST, ["w", 7, 1500, 2, 0, b'{"greet":["*"]}', b""]),
        (
            ClaimRequest("w", 7, 1.5, 2, {}, alone=True, only="one", ordered={"greet": ["*"]}),
            ["w", 7, 1500, 2, 1, b"{}", b'{"greet":["*"]}', "one"],
        ),
    ],
)
def test_a_claim_is_asked_for_in_the_order_of_its_script(request_: ClaimRequest, words: list[Any]) -> None:
    assert leases.claim_arguments(request_) == words


def event(name: bytes) -> list[Any]:
    return [name, [b"type", b"test.x", b"state", b"open", b"received_at", b"5"]]


@pytest.mark.parametrize(("wait", "next_in"), [(-1, None), (0, 0.0), (1500, 1.5)])
def test_the_answer_to_a_claim_is_read(wait: int, next_in: float | None) -> None:
    answer = [[event(b"one"), event(b"\xff")], [b"stray", b"\xfe"], wait, 99, 3, [b"p"], [b"d\xff"], 0]
    found = leases.read_claim(scripts(), REQUEST, answer, at=5.0)
    [lease] = found.leases
    assert (lease.record.id, lease.token, lease.claimed_at, lease.monotonic) == ("one", "w:7", 99, 5.0)
    assert (found.foreign, found.next_in, found.poison_suspects) == (["stray"], next_in, 3)
    assert (found.paused, found.damaged) == (frozenset({"p"}), ("d\N{REPLACEMENT CHARACTER}",))
    assert found.unreadable == (b"ns:\xff", b"\xfe")
    assert found.is_full
    assert not leases.read_claim(scripts(), REQUEST, [[event(b"one")], [], wait, 99, 0, [], [], 0], at=5.0).is_full


def test_a_renewal_says_what_runs_and_what_blocks() -> None:
    held = (HeldLease("one", "w:1"), HeldLease("two", "w:2", "overdue", {"handler": "greet", "place": "p"}))
    words = leases.renewal("w", held, lease=20.0, answered=9, blocked=(3.26, "app.py:3"), times=b"{}")
    assert words[:3] == ["w", 20000, 9]
    assert orjson.loads(words[3]) == {"seconds": 3.3, "place": "app.py:3"}  # type: ignore[arg-type] # a JSON text
    assert words[4:] == [
        *(b"", b"{}", "one", "w:1", "extend", b"", "two", "w:2", "overdue", b'{"handler":"greet","place":"p"}')
    ]
    sign = WorkerSign("w", "1", 5, 2, "h", ("greet",))
    assert leases.renewal("w", (), lease=20.0, answered=9, sign=sign)[3:] == [b"", sign.to_json(), b""]


@pytest.mark.anyio
async def test_those_that_waited_for_an_end_are_told_one_by_one() -> None:
    record: Any = SimpleNamespace(id="one")
    ending = HandlerResults.of(
        Lease(record, "w:1", alone=False, claimed_at=5), {"greet": HandlerRecord("done")}, release=True
    )
    store = scripts(
        finish=[[[b"done"], [b"a", b"greet", b"b", b"late"]], [[b"open", b"lost"], []], [[b"done"], [b"a", b"g"]]]
    )
    told: list[tuple[str, str]] = []
    assert await leases.finish(store, [ending], at_turn=lambda *each: told.append(each)) == ["done"]
    assert told == [("a", "greet"), ("b", "late")]
    assert await leases.finish(store, [ending], at_turn=lambda *each: told.append(each)) == ["open", "lost"]
    assert await leases.finish(store, [ending]) == ["done"]
    assert len(told) == 2
    [(_, packed), *_] = store.asked
    assert packed == b"\0\0\0\3one\0\0\0\3w:1\1\0\0\0\5greet\0\0\0\x10" + b'{"state":"done"}'


@pytest.mark.anyio
async def test_turns_are_read_for_each_event_that_was_asked_about() -> None:
    others = [[2, b"wait", b"greet", b"one", b"late", b"zero"], [3, b"lost"], [4, b"unkeyed"]]
    store = scripts(
        order=[[others, [[b"early", b"type", b"test.x", b"state", b"open", b"received_at", b"5"]], b"more"]]
    )
    placings = [Placing(each, {"greet": ("ab", "cd")}, "t") for each in ("a", "b", "c", "d")]
    turns, unkeyed = await order.take_turns(store, placings, patient=True)
    assert turns == [order.NOW, Turn({"greet": "one", "late": "zero"}), Turn({}, is_lost=True), Turn({}, is_early=True)]
    assert [each.id for each in unkeyed] == ["early"]
    [(_, patient, asked)] = store.asked
    assert (patient, orjson.loads(asked)[0]) == (1, ["a", "t", ["greet", "ab", "cd"]])


@pytest.mark.anyio
async def test_handlers_in_order_are_registered_page_by_page() -> None:
    store = scripts(order_register=[b"5", b"0"])
    await order.register(store, {"greet": ("a.*",)}, by_number=["greet"])
    words = (b'{"greet":["a.*"]}', b'{"greet":true}')
    assert store.asked == [("order_register", *words, b"0"), ("order_register", *words, b"5")]


def test_an_admission_is_read() -> None:
    detail = PLAIN.seal_text("detail", detail_place("outage")).encode()
    assert parse_admission([b"blocked", b"outage", detail, b"advice"], PLAIN) == Blocked("outage", "detail", "advice")
    assert parse_admission([b"deferred", 1500], PLAIN) == Deferred(1.5)
    granted = parse_admission([b"granted", 250, b"7.000", b"1"], PLAIN)
    assert granted == Granted(0.25)
    assert isinstance(granted, Granted)
    assert (granted.slot, granted.calm) == (b"7.000", True)
    busy = parse_admission([b"granted", 0, b"", b""], PLAIN)
    assert isinstance(busy, Granted)
    assert not busy.calm
    assert detail_place("a") != detail_place("b")


FAILS, LIFTS = BlockSignal("a", "fails"), BlockSignal("a", "lifts")


@pytest.mark.parametrize(
    ("report", "news"),
    [
        (CallReport([LIFTS], alive=True), False),
        (CallReport([], alive=False), True),
        (CallReport([LIFTS, FAILS], alive=True), True),
        (CallReport([], alive=True, limited=True), True),
        (CallReport([], alive=True, wait=5), True),
        (CallReport([], alive=True, wait=0), False),
        (CallReport([], alive=True, limit=9.0), True),
        (CallReport([], alive=True, limit=10.0), False),
    ],
)
def test_only_trouble_is_news(report: CallReport, *, news: bool) -> None:
    assert report.is_news(10.0) is news


COUNTS = Counts(accepted=10, done=4, ignored=1, dead=2, open=3)


@pytest.mark.parametrize(
    ("totals", "difference", "words"),
    [
        (Totals(COUNTS, 10, 5, 2), 0, []),
        (Totals(COUNTS, 12, 5, 2), 2, ["10 are counted as accepted, but the index of events holds 12"]),
        (Totals(COUNTS, 10, 4, 2), 1, ["5 are counted as done or ignored, but the index of ended events holds 4"]),
        (Totals(COUNTS, 10, 5, 5), 3, ["2 are counted as dead, but the index of dead events holds 5"]),
        (
            Totals(Counts(accepted=11, done=4, ignored=1, dead=2, open=3), 11, 5, 2),
            1,
            ["11 are counted as accepted, but done, ignored, dead and open make 10"],
        ),
    ],
)
def test_totals_contradict_each_other_in_words(totals: Totals, difference: int, words: list[str]) -> None:
    assert (totals.difference, totals.contradictions()) == (difference, words)


GOOD, MOVED = [10, 4, 1, 2, 3, 10, 5, 2], [11, 4, 1, 2, 4, 11, 5, 2]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("totals", "found", "counted", "contradictions"),
    [
        ([GOOD, GOOD], COUNTS, True, []),
        ([GOOD, MOVED, MOVED, GOOD, GOOD, GOOD], COUNTS, True, []),
        ([GOOD, MOVED] * 3, COUNTS, False, []),
        (
            [MOVED, MOVED] * 3,
            COUNTS,
            True,
            [
                "11 are counted as accepted, but a full count finds 10",
                "4 are counted as open, but a full count finds 3",
            ],
        ),
        ([MOVED, MOVED, GOOD, MOVED, MOVED, MOVED], COUNTS, False, []),
    ],
)
async def test_a_count_is_repeated_until_nothing_moves(
    monkeypatch: pytest.MonkeyPatch, totals: list[Any], found: Counts, contradictions: list[str], *, counted: bool
) -> None:
    async def count(store: Any, _: Any) -> Any:
        before, after = await audit.totals(store), await audit.totals(store)
        return audit._Count(before, after, found, ())

    monkeypatch.setattr(audit, "_count", count)
    store = scripts(totals=list(totals))
    told = await audit.audit(store)
    assert (told.counted, list(told.contradictions)) == (counted, contradictions)
    assert store.answers["totals"] == []
    assert told.clean is not bool(contradictions)


@pytest.mark.anyio
@pytest.mark.parametrize(("after", "ignored"), [(GOOD, 1), (MOVED, "")])
async def test_a_repair_goes_page_by_page_and_counts_anew(
    monkeypatch: pytest.MonkeyPatch, after: list[int], ignored: Any
) -> None:
    async def count(store: Any, _: Any) -> Any:
        return audit._Count(await audit.totals(store), await audit.totals(store), COUNTS, ())

    monkeypatch.setattr(audit, "_count", count)
    monkeypatch.setattr(audit, "PAGE", 2)
    store = scripts(totals=[GOOD, after], repair=[2, 1], recount=[1])
    differences = tuple(audit.Difference(each, ("x",)) for each in "abc")
    await audit.repair(store, audit.Audit(Totals(COUNTS, 10, 5, 2), differences, (), counted=True))
    assert [each for each in store.asked if each[0] != "totals"] == [
        *(("repair", "a", "b"), ("repair", "c"), ("recount", ignored))
    ]


SIGN = WorkerSign("host", "1.0", 5, 2, "handlers", ("greet",))


@pytest.mark.parametrize(
    ("info", "state"),
    [
        (WorkerInfo("w", 5, 15_000, SIGN), "working"),
        (WorkerInfo("w", 5, 15_001, SIGN, "place"), "silent"),
        (WorkerInfo("w", 5, 0, SIGN, "place"), "blocked"),
    ],
)
def test_a_worker_is_as_its_latest_sign_says(info: WorkerInfo, state: str) -> None:
    assert info.state == state


@pytest.mark.anyio
async def test_workers_are_read_the_oldest_first_and_odd_signs_left_out() -> None:
    later, earlier = SIGN.to_json(), WorkerSign("other", "1.0", 4, 2, "h", ()).to_json()
    signs = [b"a", b"90 " + later, b"b", b"99 " + earlier, b"c", b"odd", b"d", b"x {}", b"e", b"5 []", b"f", b"5 {}"]
    blocked = [b"a", b'{"place":"p","till":101}', b"b", b'{"place":"q","till":100}']
    found = await workers.read_workers(scripts(workers=[[100, signs, blocked]]))
    assert [(each.id, each.seen_at, each.silent_for, each.blocked_at) for each in found] == [
        ("b", 99, 1, None),
        ("a", 90, 10, "p"),
    ]
    assert found[1].sign == SIGN
    assert (await workers.read_workers(scripts(workers=[[80, signs[:2], []]])))[0].silent_for == 0


@pytest.mark.anyio
async def test_maintenance_is_asked_for_in_milliseconds() -> None:
    store = scripts(
        maintenance_due=[[1, [], [b"expire"], 7, 250]],
        expire=[3],
        prune_bodies=[4],
        sweep=[5],
        queue=[[9, 8, 7500, 1, 2, [b"greet", 3], [b"late", 4, 1500]]],
    )
    due = await maintenance.due(store, "w", lock=1.5, retention=2, dead_retention=3, body_retention=4, first=6)
    assert (due.is_ours, due.steps, due.looked_at, due.memory_share) == (True, frozenset({"expire"}), 7, 0.25)
    assert await maintenance.expire(store, retention=1.5, dead_retention=2) == 3
    assert await maintenance.prune_bodies(store, older_than=1.5) == 4
    assert await maintenance.sweep(store, first=2) == 5
    assert store.asked == [
        *(("maintenance_due", "w", 1500, 2000, 3000, 4000, 6, 250), ("expire", 1500, 2000, 50)),
        *(("prune_bodies", 1500, 50), ("sweep", 2, 250)),
    ]
    queue = await maintenance.queue(store)
    assert (queue.length, queue.due, queue.age, queue.blocked_workers, queue.workers) == (9, 8, 7.5, 1, 2)
    assert (queue.turns, queue.backlogs) == ({"greet": 3}, {"late": maintenance.Backlog(4, 1.5)})


@pytest.mark.anyio
async def test_issues_are_read_the_latest_death_first() -> None:
    cause = b'{"handler":"greet","reason":"x","first":5}'
    stated = b'{"state":"resolved","actor":"ann","at":7}'
    rows = [
        [b"a", cause, 1, b"6", b"one", stated],
        [b"b", b"odd", 0, b"", b"", b"odd"],
        [b"c", b'{"handler":"greet","reason":"other"}', 2, b"8.0", b"two", stated],
        [b"d", b"[]", 0, b"", b"", b'{"state":"odd"}'],
    ]
    found = await issues.read_issues(scripts(issues=[rows]))
    assert [(each.id, each.first_at, each.last_at, each.last_event, each.state) for each in found] == [
        ("c", 0, 8, "two", "reopened"),
        ("a", 5, 6, "one", "resolved"),
        ("b", 0, None, None, "open"),
        ("d", 0, None, None, "open"),
    ]
    assert [(each.handler, each.reason, each.is_others, each.actor, each.stated_at) for each in found[:3]] == [
        ("greet", "other", True, "ann", 7),
        ("greet", "x", False, "ann", 7),
        ("", "", False, None, None),
    ]
    history = scripts(issue_history=[[[1, 2], [3, 4]]])
    assert await issues.issue_history(history, ["a", "b"], span=9, spans=2) == {"a": [1, 2], "b": [3, 4]}
    assert history.asked == [("issue_history", 9, 2, "a", "b")]


class Pipeline:
    """A pipeline that answers all at once. WAIT is answered with the number of replicas that follow."""

    def __init__(self, *answers: Any) -> None:
        self.sent: list[tuple[Any, ...]] = []
        self._answers = answers

    def evalsha(self, *words: Any) -> None:
        self.sent.append(words)

    def set(self, key: str, value: str) -> None:
        self.sent.append(("SET", key, value))

    def execute_command(self, *words: Any) -> None:
        self.sent.append(words)

    async def execute(self, *, raise_on_error: bool) -> list[Any]:
        assert not raise_on_error
        return [*self._answers][: len(self.sent)]


FAILED = ValueError("a script failed")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("followed", "answers", "kinds"),
    [
        (2, [b"a", FAILED, b"c"], [b"a", FAILED, b"c"]),
        (3, [b"a", FAILED, b"c"], [b"a", FAILED, b"c"]),
        (1, [b"a", FAILED, b"c"], [NotReplicated, FAILED, b"c"]),
        (exceptions.ConnectionError("x"), [b"a", FAILED, b"c"], [exceptions.ConnectionError, FAILED, b"c"]),
    ],
)
async def test_a_call_is_done_once_its_replicas_follow(followed: Any, answers: list[Any], kinds: list[Any]) -> None:
    pipeline, departures = Pipeline(*answers, True, followed), Departures()
    pool = SimpleNamespace(connection_kwargs={"departures": departures})
    redis: Any = SimpleNamespace(pipeline=lambda transaction: pipeline, connection_pool=pool)
    store = Store(redis, "ns", PLAIN, replicas=2)
    calls = [ScriptCall((name, 1, "key"), confirmed=name != "c") for name in ("a", "b", "c")]
    found = await store._evaluate_together(calls)
    assert [
        each is kind or each == kind or isinstance(each, kind) for each, kind in zip(found, kinds, strict=True)
    ] == [True] * 3
    assert pipeline.sent[:3] == [(name, 1, "key") for name in ("a", "b", "c")]
    assert pipeline.sent[3:] == [("SET", store.keys.confirmed, ""), ("WAIT", 2, CONFIRM_TIMEOUT)]
    assert departures.number == (0 if kinds == answers else 1)


@pytest.mark.anyio
async def test_calls_that_nobody_confirms_wait_for_no_replica() -> None:
    pipeline = Pipeline(b"a", FAILED)
    redis: Any = SimpleNamespace(pipeline=lambda transaction: pipeline)
    store = Store(redis, "ns", PLAIN, replicas=2)
    assert await store._evaluate_together([ScriptCall((each, 1), confirmed=False) for each in "ab"]) == [b"a", FAILED]
    assert pipeline.sent == [("a", 1), ("b", 1)]


@pytest.mark.anyio
async def test_one_call_gives_its_answer_or_raises_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def together(_: Store, calls: Any) -> list[Any]:
        return [FAILED if call.words[0] == "b" else call.words[0] for call in calls]

    async def evalsha(*words: Any) -> Any:
        return words

    monkeypatch.setattr(Store, "_evaluate_together", together)
    redis: Any = SimpleNamespace(evalsha=evalsha)
    store = Store(redis, "ns", PLAIN)
    assert await store._evaluate(ScriptCall(("a", 1), confirmed=True)) == "a"
    with pytest.raises(ValueError, match="a script failed"):
        await store._evaluate(ScriptCall(("b", 1), confirmed=True))
    assert await store._evaluate(ScriptCall(("c", 1), confirmed=False)) == ("c", 1)


@pytest.mark.anyio
async def test_a_list_of_ids_takes_the_place_of_an_earlier_one() -> None:
    deleted: list[str] = []

    async def delete(key: str) -> None:
        deleted.append(key)

    store = scripts(job_list=[2, 3])
    store.redis = SimpleNamespace(delete=delete)

    async def pages() -> Any:
        for page in (["a", "b"], [], ["c"]):
            yield page

    assert await bulk_jobs.replace_ids(store, "j", pages()) == 3
    assert (deleted, store.asked) == ([Keys("ns").job_ids("j")], [("job_list", "j", "a", "b"), ("job_list", "j", "c")])


def test_a_start_on_a_server_that_cannot_be_used_is_refused_and_one_that_is_away_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(_: Any) -> None:
        raise InvalidSettings("too old")

    server_checks.require_usable_at("redis://127.0.0.1:1")
    monkeypatch.setattr(server_checks, "require_usable", refuse)
    with pytest.raises(InvalidSettings, match="too old"):
        server_checks.require_usable_at("redis://127.0.0.1:1")


@pytest.mark.anyio
async def test_a_task_that_is_ended_has_ended() -> None:
    began, ended = asyncio.Event(), list[str]()

    async def work() -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("x")

    task = asyncio.create_task(work())
    await began.wait()
    await end_task(task)
    assert (ended, task.cancelled()) == (["x"], True)


def test_a_lease_knows_the_time_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    record: Any = SimpleNamespace(id="one", type="test.x", body=b'{"data":{}}', arrived_by="webhook")
    lease = Lease(record, "w:1", alone=False, claimed_at=5000, monotonic=2.0)
    monkeypatch.setattr(leases, "time", SimpleNamespace(monotonic=lambda: 3.5))
    assert lease.now() == 6500


def test_events_of_a_process_are_traced_until_the_block_ends() -> None:
    event = NewEvent("one", "test.x", b"{}", "cron")
    with starting_traces(lambda *told: "outer"), starting_traces(lambda *told: " ".join(told)):
        assert event.traced().trace == "test.x one cron"
    with starting_traces(lambda *_: None):
        assert event.traced().trace is None
    assert event.traced() is event


class Frozen(BaseModel):
    model_config = {"frozen": True}


class Open(BaseModel):
    """A payload that a handler may change."""


def test_a_payload_that_nobody_can_change_is_made_once() -> None:
    body = b'{"data":{"record_type":"event","id":"one","event_type":"test.x","payload":{}}}'
    record: Any = SimpleNamespace(id="one", type="test.x", body=body, arrived_by="webhook")
    lease = Lease(record, "w:1", alone=False, claimed_at=5000)
    frozen, unfrozen = TypeAdapter(Frozen), TypeAdapter(Open)
    frozen_one, open_one = lease.payload(frozen), lease.payload(unfrozen)
    assert lease.payload(frozen) is frozen_one
    assert lease.payload(unfrozen) is not open_one
    glanced = lease.glance()
    assert lease.read_event() is glanced
    assert lease.read_event() is not glanced


@pytest.mark.anyio
@pytest.mark.parametrize("refused", [True, False])
async def test_a_server_that_will_not_rewrite_its_file_is_told(*, refused: bool) -> None:
    asked: list[str] = []

    async def execute_command(name: str) -> None:
        asked.append(name)
        if refused:
            raise exceptions.ResponseError("x")

    redis: Any = SimpleNamespace(execute_command=execute_command)
    assert await erasure.forget_old_writes(redis) is not refused
    assert asked == ["BGREWRITEAOF"]
