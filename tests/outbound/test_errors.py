"""What each kind of error becomes: state, attempts, next try, and the words that a person reads."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from service import Context, Discard, Event, Retry, Router
from service.outbound.errors import ACCOUNT_BLOCKS
from service.store.inbox.handler_records import HandlerRecord
from tests.cli.at_stack import run_at
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, fresh_number

Body = Callable[[Context, str], Awaitable[Any]]


async def send(ctx: Context, number: str) -> None:
    await ctx.telnyx.messages.send(to=number, from_=SMS_FROM, text="Hello")


async def read(ctx: Context, number: str) -> None:
    await ctx.telnyx.messaging_profiles.list()


async def order(ctx: Context, number: str) -> None:
    await ctx.telnyx.messaging_hosted_number_orders.create(phone_numbers=[number])


async def returns(ctx: Context, number: str) -> None:
    """Nothing more."""


async def again(ctx: Context, number: str) -> None:
    raise Retry(after=600)


async def discards(ctx: Context, number: str) -> None:
    raise Discard("not_ours")


async def breaks(ctx: Context, number: str) -> None:
    raise KeyError(number)


async def hangs(ctx: Context, number: str) -> None:
    await asyncio.Event().wait()


def refused(status: int, code: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "status", "status": status, "code": code, **fields}


@dataclass(frozen=True)
class Row:
    """A handler, what Telnyx does, and what must come of it; `wait` is seconds until the next try, from and to."""

    body: Body
    state: str
    reason: str | None
    attempts: int = 0
    wait: tuple[float, float] | None = None
    words: str = ""
    fault: dict[str, Any] = field(default_factory=dict)
    timeout: float = 30.0


AFTER_30 = {"headers": {"retry-after": "30"}}
ROWS = {
    "returns": Row(returns, "done", None),
    "Retry": Row(again, "waiting", "retry", wait=(590, 600)),
    "Discard": Row(discards, "done", "not_ours"),
    "401": Row(send, "parked", "credentials", words="401 · 10009", fault=refused(401, "10009")),
    "401 on a read": Row(read, "parked", "credentials", words="401 · 10009", fault=refused(401, "10009")),
    "403/10010 on a send": Row(send, "parked", "permission", words="403 · 10010", fault=refused(403, "10010")),
    "403/10010 elsewhere": Row(order, "dead", "10010", 1, words="403 · 10010", fault=refused(403, "10010")),
    "40312": Row(send, "parked", "profile_disabled", words="40312", fault=refused(403, "40312")),
    "40010": Row(send, "parked", "campaign", words="40010", fault=refused(400, "40010")),
    "40333": Row(send, "parked", "spending_limit", words="40333", fault=refused(403, "40333")),
    "429": Row(send, "waiting", "rate_limit", wait=(25, 30), words="429", fault=refused(429, "10011", **AFTER_30)),
    "429 by reset": Row(
        send,
        "waiting",
        "rate_limit",
        wait=(15, 20),
        fault=refused(429, "10011", headers={"x-ratelimit-reset": "20"}),
    ),
    "500": Row(send, "waiting", "telnyx_outage", wait=(0, 1), words="500", fault=refused(500, "10007")),
    "503": Row(send, "waiting", "telnyx_outage", wait=(25, 30), words="503", fault=refused(503, "10007", **AFTER_30)),
    "no answer": Row(
        send, "waiting", "telnyx_unreachable", wait=(0, 1), words="cannot be reached", fault={"kind": "reset"}
    ),
    "409 in progress": Row(send, "waiting", "in_progress", wait=(0, 1), words="409", fault=refused(409, "10015")),
    "400": Row(send, "dead", "40310", 1, words="400 · 40310", fault=refused(400, "40310")),
    "404": Row(read, "dead", "10005", 1, words="404 · 10005", fault=refused(404, "10005")),
    "405": Row(send, "dead", "10005", 1, words="405", fault=refused(405, "10005")),
    "410": Row(send, "dead", "10005", 1, words="410", fault=refused(410, "10005")),
    "413": Row(send, "dead", "10005", 1, words="413", fault=refused(413, "10005")),
    "422": Row(send, "dead", "40001", 1, words="422 · 40001", fault=refused(422, "40001")),
    "40300 STOP": Row(send, "dead", "40300", 1, words="40300", fault=refused(403, "40300")),
    "an exception": Row(breaks, "waiting", "error", 1, wait=(0.5, 1.1), words="KeyError at test_errors.py"),
    "a time-out": Row(hangs, "waiting", "error", 1, wait=(0.5, 1.1), words="took longer than 0.1 s", timeout=0.1),
}


def handler_of(stack: Stack, row: Row) -> tuple[HandlerRecord, str, str]:
    """What a handler's record says after its first run, the number that it was about, and what a person is shown."""
    number, router = fresh_number(), Router()

    @router.on("test.something", timeout=row.timeout)
    async def handler(event: Event, ctx: Context) -> None:
        await row.body(ctx, number)

    if row.fault:
        stack.simulator.add_fault(times=None, **row.fault)
    stack.start_worker(router)
    event = envelope("test.something", {})
    stack.deliver(event)
    record = stack.when(event, lambda record: any(each.runs for each in record.handlers.values()))
    shown = run_at(stack, "events", "show", record.id)
    assert shown.code == 0, shown
    return record.handlers["handler"], number, shown.stdout


def test_the_table_has_a_row_for_each_block_of_the_account() -> None:
    assert {row.reason for row in ROWS.values() if row.state == "parked"} == {each.kind for each in ACCOUNT_BLOCKS}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.usefixtures("real_pauses")
def test_an_error_becomes_what_the_table_says(stack: Stack, name: str) -> None:
    row = ROWS[name]
    handler, number, shown = handler_of(stack, row)

    assert (handler.state, handler.reason, handler.attempts) == (row.state, row.reason, row.attempts)
    assert row.words in (handler.error or "")
    assert number not in (handler.error or "") + shown
    assert row.words in " ".join(shown.split())
    assert (row.reason or "ran: done") in shown
    [run, *_] = handler.runs
    assert (run.outcome, run.reason, run.error) == (handler.state, handler.reason, handler.error)
    if row.wait is not None:
        least, most = row.wait
        assert least <= (handler.due - run.ended) / 1000 <= most


def test_a_stop_is_never_asked_again(stack: Stack) -> None:
    number, router, runs = fresh_number(), Router(), list[int]()

    @router.on("test.something")
    async def handler(event: Event, ctx: Context) -> None:
        runs.append(ctx.attempt)
        try:
            await send(ctx, number)
        finally:
            if len(runs) < 3:
                raise Retry(after=0)

    stack.simulator.add_fault(times=None, **refused(403, "40300"))
    stack.start_worker(router)
    event = envelope("test.something", {})
    stack.deliver(event)

    record = stack.ended(event)
    assert (record.state, record.handlers["handler"].reason, len(runs)) == ("dead", "40300", 3)
    assert len(stack.simulator.requests) == 1
