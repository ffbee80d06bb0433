"""The ledger of a run while Redis fails, the lease ends or the handler is cancelled."""

import asyncio
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from service.outbound import run_ledger as module
from service.outbound.run_ledger import MAX_BYTES, RunLedger, choose
from service.security.encryption import PLAIN
from service.store.effects.ledger import Entry, Found, StoredAnswer
from service.store.facts.message_states import NotAllowed
from service.store.inbox.leases import LeaseLost
from tests.outbound.test_fate import SEND, entry
from tests.outbound.test_runs import run as run_of

DAMAGED = ResponseError("WRONGTYPE of a value")
OTHER = replace(SEND, body=b"other")


@dataclass
class Redis:
    """The ledger in Redis: what each call answers or raises, the last one again and again."""

    begin: list[Any] = field(default_factory=lambda: ["begun"])
    end: list[Any] = field(default_factory=lambda: [("done", 0)])
    read_entry: list[Any] = field(default_factory=lambda: [Found(None, busy=False)])
    effects_of: list[Any] = field(default_factory=lambda: [[]])
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    sixth_call: asyncio.Event = field(default_factory=asyncio.Event)

    def module(self) -> Any:
        return SimpleNamespace(
            Found=Found, **{name: self._call(name) for name in ("begin", "end", "read_entry", "effects_of")}
        )

    def _call(self, name: str) -> Any:
        async def call(*words: Any, **options: Any) -> Any:
            self.calls.append((name, {"words": words[1:], **options}))
            if len(self.calls) == 6:
                self.sixth_call.set()
            answers = getattr(self, name)
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return call


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> Redis:
    made = Redis()
    monkeypatch.setattr(module, "ledger", made.module())
    monkeypatch.setattr(module, "PAUSE", 0.001)
    return made


def of(*, leased: Any = (True,), retention: float = 9.0) -> RunLedger:
    """Return the ledger of a run that holds its lease as long as these say."""
    holds = list(leased)
    made = run_of()
    made.holds_lease = lambda: holds.pop(0) if len(holds) > 1 else holds[0]
    store: Any = SimpleNamespace(encryption=PLAIN)
    return RunLedger(store, made, retention)


def named(name: str, digest: str = "d", target: str = "t") -> Entry:
    return entry(name=name, digest=PLAIN.hide(digest), target=PLAIN.hide(target))


def test_a_call_takes_the_entry_of_its_bytes_else_the_first_of_its_target() -> None:
    call: Any = SimpleNamespace(target="t", digest="d")
    first, same, other = named("first", "x"), named("same"), named("other", target="u")
    assert choose([other, first, same], call, set()) is same
    assert choose([other, first, same], call, {"same"}) is first
    assert choose([other, first, same], call, {"same", "first"}) is None
    assert choose([], call, set()) is None


@pytest.mark.anyio
async def test_calls_of_a_run_take_entries_of_its_own_one_after_the_other(redis: Redis) -> None:
    mine = replace(named("mine", SEND.digest, SEND.target), handler="greet")
    foreign = [replace(mine, name="foreign", handler="late"), replace(mine, name="keyed", caller_key=True)]
    redis.effects_of = [[*foreign, mine]]
    ledger = of()
    assert (await ledger.entry_of(SEND)).name == "mine"
    second = await ledger.entry_of(SEND)
    third = await ledger.entry_of(OTHER)
    assert len({"mine", second.name, third.name}) == 3
    assert ledger.run.used == {"mine": SEND, second.name: SEND, third.name: OTHER}
    assert [name for name, _ in redis.calls] == ["effects_of"]
    assert (second.state, second.version, second.caller_key, second.event_id) == ("withdrawn", 0, False, "event-1")
    # The same run, made again, finds the same names.
    again = of()
    assert [(await again.entry_of(each)).name for each in (SEND, SEND, OTHER)] == ["mine", second.name, third.name]


@pytest.mark.anyio
async def test_a_callers_key_names_its_entry(redis: Redis) -> None:
    made = await of().entry_of(replace(SEND, caller_key="key"))
    assert (made.caller_key, made.version, made.recipient) == (True, 0, SEND.shown_recipient)
    assert made.name == (await of().entry_of(replace(OTHER, caller_key="key"))).name
    assert redis.calls == []


@pytest.mark.anyio
async def test_an_entry_is_looked_at_anew(redis: Redis) -> None:
    redis.read_entry = [Found(None, busy=True), Found(None, busy=False), Found(named("x"), busy=False)]
    ledger = of()
    known = named("known")
    assert await ledger.entry_now(known) is None
    assert await ledger.entry_now(known) == replace(known, version=0, state="withdrawn")
    assert await ledger.entry_now(known) == named("x")


def test_an_intent_keeps_its_bytes_unless_they_are_too_many() -> None:
    ledger = of()
    known = replace(named("x"), answer=StoredAnswer(200))
    intended = ledger.intended(known, SEND)
    assert (intended.state, intended.body, intended.answer) == ("started", SEND.body, None)
    assert (intended.path, intended.recipient) == (SEND.shown_path, SEND.shown_recipient)
    assert ledger.has_bytes_of(intended, SEND)
    assert not ledger.has_bytes_of(intended, OTHER)
    assert ledger.intended(known, replace(SEND, body=b"x" * MAX_BYTES)).body is not None
    assert ledger.intended(known, replace(SEND, body=b"x" * (MAX_BYTES + 1))).body is None


@pytest.mark.anyio
@pytest.mark.parametrize(("retention", "keep"), [(9.0, 48 * 3600.0), (48 * 3600.0 + 1, 48 * 3600.0 + 1)])
async def test_an_intent_says_how_long_it_is_kept(redis: Redis, retention: float, keep: float) -> None:
    assert await of(retention=retention).begin(named("x"), again=True) == "begun"
    [(_, told)] = redis.calls
    assert (told["keep"], told["again"], told["conditions"]) == (keep, True, None)


@pytest.mark.anyio
async def test_an_intent_that_may_not_be_or_is_changed_says_so(redis: Redis) -> None:
    refused = NotAllowed("opted_out")
    redis.begin = [refused, "changed", "lost"]
    ledger = of()
    assert await ledger.begin(named("x"), again=False) is refused
    assert await ledger.begin(named("x"), again=False) == "changed"
    with pytest.raises(LeaseLost):
        await ledger.begin(named("x"), again=False)
    assert ledger.run.lease_lost


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("version", "own", "begun"), [(2, True, "begun"), (3, True, "changed"), (1, True, "changed"), (2, False, "changed")]
)
async def test_an_intent_whose_reply_was_lost_is_ours(redis: Redis, version: int, begun: str, *, own: bool) -> None:
    ledger = of()
    found = replace(named("x"), version=version, run=ledger.run.id if own else "another")
    redis.begin, redis.read_entry = ["changed"], [Found(found, busy=False)]
    assert await ledger.begin(replace(named("x"), version=1), again=False) == begun


@pytest.mark.anyio
async def test_an_outage_is_waited_for_while_the_lease_is_held(redis: Redis) -> None:
    redis.begin = [Unreachable("down"), OSError("down"), "begun"]
    ledger = of()
    noted: list[Exception | None] = []

    def holds_lease() -> bool:
        noted.append(ledger.run.redis_failure)
        return True

    ledger.run.holds_lease = holds_lease
    assert await ledger.begin(named("x"), again=False) == "begun"
    assert [type(each) for each in noted] == [type(None), Unreachable]
    assert ledger.run.redis_failure is None


@pytest.mark.anyio
async def test_an_outage_that_outlasts_the_lease_ends_the_run(redis: Redis) -> None:
    redis.begin = [Unreachable("down")]
    ledger = of(leased=(True, False))
    with pytest.raises(LeaseLost):
        await ledger.begin(named("x"), again=False)
    assert ledger.run.lease_lost
    assert len(redis.calls) == 2


@pytest.mark.anyio
async def test_no_waiting_repairs_a_damaged_value(redis: Redis) -> None:
    redis.begin = redis.effects_of = [DAMAGED]
    ledger = of()
    with pytest.raises(ResponseError):
        await ledger.begin(named("x"), again=False)
    with pytest.raises(ResponseError):
        await ledger.entry_of(SEND)
    assert len(redis.calls) == 2


@pytest.mark.anyio
async def test_an_outcome_is_recorded_under_one_note_however_often_redis_fails(redis: Redis) -> None:
    redis.end = [Unreachable("down"), Unreachable("down"), ("refused", 0)]
    ledger = of()
    assert await ledger.end(named("x"), "refused", StoredAnswer(400), sent_at=7, why="why") == "refused"
    notes = {told["note"] for _, told in redis.calls}
    assert len(redis.calls) == 3
    assert len(notes) == 1
    assert len(notes.pop()) == 16
    assert {(told["sent_at"], told["why"]) for _, told in redis.calls} == {(7, "why")}


@pytest.mark.anyio
async def test_an_outcome_of_a_damaged_entry_is_told_and_ends_the_run(redis: Redis) -> None:
    redis.end = [DAMAGED]
    ledger = of()
    with capture_logs() as logs, pytest.raises(LeaseLost):
        await ledger.end(named("x"), "done", StoredAnswer(200), sent_at=7, why="")
    assert [each["event"] for each in logs] == ["the outcome of an effect was not recorded"]
    assert len(redis.calls) == 1
    assert ledger.run.lease_lost


@pytest.mark.anyio
async def test_an_outcome_that_waits_longer_than_the_lease_is_recorded_later(redis: Redis) -> None:
    redis.end = [Unreachable("down")] * 5 + [("done", 0)]
    ledger = of(leased=(True, False))
    with pytest.raises(LeaseLost):
        await ledger.end(named("x"), "done", StoredAnswer(200), sent_at=7, why="")
    with anyio.fail_after(30):
        await redis.sixth_call.wait()


@pytest.mark.anyio
async def test_an_outcome_waits_for_redis_for_so_long(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def monotonic() -> float:
        now[0] += 100.0
        return now[0]

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=monotonic))
    redis.end = [Unreachable("down")]
    ledger = of()
    with capture_logs() as logs, pytest.raises(LeaseLost):
        await ledger.end(named("x"), "done", StoredAnswer(200), sent_at=7, why="")
    assert len(redis.calls) == 2
    assert len(logs) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(("begun", "withdrawn"), [("begun", True), ("changed", False)])
async def test_an_intent_whose_handler_is_cancelled_is_withdrawn_if_it_was_written(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, begun: str, *, withdrawn: bool
) -> None:
    written, going = asyncio.Event(), asyncio.Event()

    async def begin(*_: Any, **__: Any) -> str:
        going.set()
        await written.wait()
        return begun

    ledger = of()
    monkeypatch.setattr(module, "ledger", SimpleNamespace(**{**vars(redis.module()), "begin": begin}))
    task = asyncio.create_task(ledger.begin(named("x"), again=False))
    await going.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(ledger.run.withdrawals) == ["x"]
    waiting = asyncio.create_task(ledger.await_withdrawal(named("x")))
    await asyncio.sleep(0)
    assert not waiting.done()
    written.set()
    await waiting
    ended = [told for name, told in redis.calls if name == "end"]
    assert bool(ended) is withdrawn
    assert all(told["words"][1] == "withdrawn" and "cut off" in told["why"] for told in ended)
    assert not ledger.run.withdrawals
    await ledger.await_withdrawal(named("x"))
