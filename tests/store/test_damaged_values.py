"""Damaged values beside the inbox: consent, ledger, snapshots and holds; each harms nothing else."""

import pytest
from redis.asyncio import Redis

from service import Context, Event, Router
from service.outbound.api_call import name_of_key
from service.registrations.status_changes import Known
from service.store.effects.blocks import open_blocks
from service.store.effects.ledger import effects_of
from service.store.facts.consent import consent_of, opt_outs
from service.store.store import Store
from tests.pending import pending
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, fresh_number, received_sms

ANN, BOB = "+13125550101", "+13125550102"
JUNK = [b"\xff\xfe", b"junk", b"", b"x y z x y z", b"{broken", b"1 2 3"]


@pytest.mark.parametrize("junk", JUNK)
def test_a_damaged_consent_counts_as_an_opt_out_until_a_start(stack: Stack, junk: bytes) -> None:
    async def mar(store: Store) -> tuple[bool, set[str]]:
        await pending(store.redis.hset(store.keys.optouts, mapping={f"p:{ANN}": junk, f"p:{BOB}": "1 - message - - -"}))
        listed = {each.number async for each in opt_outs(store)}
        return (await consent_of(store, ANN)).opted_out, listed

    assert stack.ask(mar) == (True, {ANN, BOB})
    assert stack.deliver(envelope("message.received", received_sms(ANN, "hello"))).status_code == 200
    assert stack.deliver(envelope("message.received", received_sms(ANN, "START"))).status_code == 200
    assert stack.ask(lambda store: consent_of(store, ANN)).opted_out is False


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("name", ["state", "version", "sends", "sent", "bytes", "answer", "path", "status"])
def test_a_damaged_entry_of_the_ledger_is_shown_beside_its_neighbours(stack: Stack, name: str, junk: bytes) -> None:
    async def mar(store: Store) -> list[tuple[str, bool]]:
        for each in ("a", "b"):
            await store.redis.zadd(f"{store.namespace}:effects:event", {each: 1})
            await pending(
                store.redis.hset(f"{store.namespace}:effect:{each}", mapping={"event": "event", "state": "done"})
            )
        await pending(store.redis.hset(f"{store.namespace}:effect:a", mapping={name: junk}))
        await store.redis.zadd(f"{store.namespace}:effects:event", {"c": 2})
        await store.redis.set(f"{store.namespace}:effect:c", "no hash")
        return [(each.name, each.unread) for each in await effects_of(store, "event")]

    (first, unread), *others = stack.ask(mar)
    assert (first, others) == ("a", [("b", False), ("c", True)])
    assert unread == (name in ("state", "version", "sends", "status"))


DECIDING = (
    *(
        "state",
        "version",
        "unconfirmed",
        "sends",
        "first_at",
        "status",
        "holder",
        "run",
        "token",
        "notes",
        "caller_key",
    ),
    *("no hash", "no state", "no holder"),
)


async def mar_entry(redis: "Redis", entry: str, state: str, damage: str) -> None:
    """Write an entry under a caller's key, and damage it."""
    fields: dict[str, str | int | bytes] = {
        "event": "gone",
        "handler": "sends",
        "caller_key": 1,
        "method": "POST",
        "path": "/messages",
        "version": 1,
        "state": state,
        "sends": 1,
        "unconfirmed": int(state == "started"),
        "first_at": 1,
        "run": "r",
        "holder": "gone",
        "token": "t",
        "status": 200,
        "answer": "{}",
        "answer_type": "application/json",
    }
    kind, _, name = damage.rpartition(" ")
    if damage == "no hash":
        await redis.set(entry, "junk")
        return
    await pending(redis.hset(entry, mapping=fields if kind else {**fields, name: b"\xffjunk"}))
    if kind:
        await pending(redis.hdel(entry, name))


def test_a_damaged_entry_under_a_callers_key_ends_its_own_handler_at_once_and_sends_nothing_twice(stack: Stack) -> None:
    marred = {fresh_number(): (state, damage) for state in ("started", "done") for damage in DECIDING}
    router = Router()

    @router.on("test.send", max_attempts=1)
    async def sends(event: Event, ctx: Context) -> None:
        to = event.payload["to"]
        await ctx.telnyx.messages.send(from_=SMS_FROM, to=to, text="Hello", idempotency_key=f"key-{to}")

    for number, (state, damage) in marred.items():
        entry = f"{stack.keys.namespace}:effect:{name_of_key(f'key-{number}', 'POST', '/messages')}"
        stack.ask(lambda store: mar_entry(store.redis, entry, state, damage))
    neighbour = fresh_number()
    events = {each: envelope("test.send", {"to": each}) for each in (*marred, neighbour)}
    assert {stack.deliver(each).status_code for each in events.values()} == {200}
    stack.start_worker(router)
    ended = {number: stack.ended(each) for number, each in events.items()}
    assert (ended.pop(neighbour).state, len(stack.sent_to(neighbour))) == ("done", 1)
    assert [marred[number] for number in ended if stack.sent_to(number)] == []
    reasons = {marred[number]: record.handlers["sends"].reason for number, record in ended.items()}
    assert {reasons["started", damage] for damage in DECIDING} == {"unreadable", "ambiguous"}
    assert {reasons["done", damage] for damage in DECIDING} == {"unreadable", None}


@pytest.mark.parametrize("junk", [*JUNK, b"[]", b'{"status":1,"mark":null,"at":5,"changes":"x"}'])
def test_a_damaged_snapshot_is_read_as_another_status(junk: bytes) -> None:
    assert Known.parse(junk) == Known("unreadable", "", None, 0)


def test_a_damaged_cause_hides_no_other(stack: Stack) -> None:
    async def mar(store: Store) -> list[str]:
        await pending(store.redis.sadd(f"{store.namespace}:blocks", "credentials", "permission"))
        await pending(store.redis.hset(f"{store.namespace}:block:credentials", mapping={"since": b"\xff"}))
        await pending(
            store.redis.hset(f"{store.namespace}:block:permission", mapping={"since": 1, "detail": "d", "advice": "a"})
        )
        return sorted(each.name for each in await open_blocks(store))

    assert stack.ask(mar) == ["credentials", "permission"]
