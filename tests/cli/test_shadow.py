"""`ringback events shadow`: other handlers on past events, without any effect."""

import importlib
from typing import Any

import orjson
import pytest

import handlers
from service.routing import Router
from service.store.store import Store
from service.worker.load_router import CannotLoadHandlers
from tests.cli.at_stack import asked, run_at
from tests.cli.own_module import own_module
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_sms

BEFORE = """
from service import Context, Discard, Event, Router

router = Router()

@router.on("message.received")
async def answer(event: Event, ctx: Context) -> None:
    await ctx.reply("Thanks, we will call you back.")
    await ctx.notify(cause="other cause", text="text", mend="mend")

@router.on("message.received")
async def note(event: Event, ctx: Context) -> None:
    await ctx.telnyx.messages.send(to="+13125550777", from_="+13125550199", text="news")

@router.on("message.received")
async def same(event: Event, ctx: Context) -> None:
    raise Discard("nothing_said")
"""
AFTER = """
from datetime import datetime, UTC
from service import Context, Discard, Event, Router, clock

router = Router()

@router.on("message.received")
async def answer(event: Event, ctx: Context) -> None:
    assert ctx.shadow
    assert await ctx.reply("We are closed.")
    await ctx.emit("answered", {}, key=event.id)
    await ctx.schedule("reminded", {}, after=60, key=event.id)
    await ctx.cancel("other")
    await ctx.notify(cause="cause", text="text", mend="mend")
    assert not await ctx.opted_out("+13125550142")

@router.on("message.received")
async def same(event: Event, ctx: Context) -> None:
    raise Discard("nothing_said")

@router.on("message.received")
async def writer(event: Event, ctx: Context) -> None:
    assert await ctx.redis.get(ctx.keys.user("seen")) is None
    await ctx.redis.set(ctx.keys.user("seen"), "1")

@router.on("message.received")
async def piped(event: Event, ctx: Context) -> None:
    async with ctx.redis.pipeline() as pipe:
        pipe.get("x").incr(ctx.keys.user("count"))
        await pipe.execute()

@router.on("message.received")
async def on_time(event: Event, ctx: Context) -> None:
    at = event.occurred_at.timestamp()
    raise Discard("at_its_time" if abs(clock.now() - at) < 30 else "late")
"""


async def contents(store: Store) -> dict[bytes, bytes]:
    """Everything that is stored in the namespace, but for the signs of workers and how long keys will live."""
    passing = (b":workers", b":maintenance", b":readyz")
    keys = [
        key async for key in store.redis.scan_iter(f"*{store.namespace}:*", count=1000) if not key.endswith(passing)
    ]
    return {key: await store.redis.dump(key) for key in sorted(keys)}


def router_of(module: str) -> Router:
    router: Router = importlib.import_module(module.partition(":")[0]).router
    return router


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(".")


@pytest.mark.usefixtures("on_path")
def test_what_other_handlers_would_do_is_shown_and_nothing_happens(stack: Stack) -> None:
    before, after = own_module(BEFORE), own_module(AFTER)
    stack.start_worker(router_of(before))
    number = fresh_number()
    events = [envelope("message.received", received_sms(number, "Open?")) for _ in range(2)]
    for each in events:
        stack.deliver(each)
        stack.ended(each)
    stack.workers.close()
    stored, posts = stack.ask(contents), len(asked(stack, "POST"))

    shown = run_at(stack, "events", "shadow", "--handlers", after, "--json", "--yes", HANDLERS=before)
    told = orjson.loads(shown.stdout)
    assert shown.code == 1
    assert (told["events"], told["differing"], told["raised"], told["notified"]) == (2, 2, 6, 2)
    first = {each["handler"]: each for each in told["differences"] if each["event_id"] == events[0]["data"]["id"]}
    assert set(first) == {"answer", "note", "writer", "piped"}
    assert [len(first["answer"][each]) for each in ("lost", "gained", "changed")] == [1, 1, 1]
    assert first["answer"]["lost"] == ["notified a person: other cause"]
    assert first["answer"]["gained"] == ["notified a person: cause"]
    assert (first["note"]["now"], len(first["note"]["lost"])) == ("no such handler", 1)
    for name in ("writer", "piped"):
        assert first[name]["now"] == "waiting (error)"
        assert "ShadowWrite" in first[name]["error"]
    assert number not in shown.stdout
    assert "closed" not in shown.stdout

    assert stack.ask(contents) == stored
    revealed = run_at(stack, "events", "shadow", "--handlers", after, "--only", "answer", "--reveal", "--yes")
    assert number in revealed.stdout
    assert "We are closed." in revealed.stdout
    assert len(asked(stack, "POST")) == posts
    # A person who looks at numbers is put on record.
    assert {key for key, value in stack.ask(contents).items() if stored.get(key) != value} == {
        stack.keys.audit_log.encode()
    }


@pytest.mark.usefixtures("on_path")
def test_the_same_handlers_differ_in_nothing_and_events_without_a_body_are_counted(stack: Stack) -> None:
    before = own_module(BEFORE)
    stack.start_worker(router_of(before))
    events = [envelope("message.received", received_sms(fresh_number(), "Open?")) for _ in range(3)]
    for each in events:
        stack.deliver(each)
        stack.ended(each)
    stack.workers.close()

    async def take_body(store: Store) -> Any:
        return await store.redis.hdel(store.keys.event(events[0]["data"]["id"]), "body")  # type: ignore[misc]

    stack.ask(take_body)
    shown = run_at(stack, "events", "shadow", "--type", "message.received", "--yes", HANDLERS=before)
    assert (shown.code, shown.stdout) == (0, "")
    assert "Ran 2 events, 0 would differ, skipped 1 (1 no_body)." in shown.stderr


def test_the_built_in_handlers_can_be_tried_too(stack: Stack) -> None:
    stack.start_worker(handlers.router)
    event = envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number()))
    stack.deliver(event)
    assert stack.ended(event).state == "done"
    stack.workers.close()
    stored = stack.ask(contents)
    shown = run_at(stack, "events", "shadow", "--json", "--yes", RINGBACK_SMS_FROM=SMS_FROM)
    told = orjson.loads(shown.stdout)
    assert stack.ask(contents) == stored
    assert (shown.code, told["differences"]) == (0, [])


def test_it_asks_first_and_refuses_a_handler_that_is_not_there(stack: Stack) -> None:
    assert run_at(stack, "events", "shadow", answer="n").code == 1
    assert run_at(stack, "events", "shadow", "--only", "nobody", "--yes").code == 2
    with pytest.raises(CannotLoadHandlers, match="no_such_module"):
        run_at(stack, "events", "shadow", "--handlers", "no_such_module:router", "--yes")
