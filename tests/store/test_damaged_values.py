"""Damaged values beside the inbox: consent, ledger, snapshots and holds; each harms nothing else."""

import pytest
from redis.asyncio import Redis

from service.registrations.status_changes import Known
from service.store.consent import consent_of, opt_outs
from service.store.holds import open_causes
from service.store.keys import Keys
from service.store.ledger import effects_of
from tests.events import envelope, received_sms
from tests.stack import Stack

ANN, BOB = "+13125550101", "+13125550102"
JUNK = [b"\xff\xfe", b"junk", b"", b"x y z x y z", b"{broken", b"1 2 3"]


@pytest.mark.parametrize("junk", JUNK)
def test_a_damaged_consent_counts_as_an_opt_out_until_a_start(stack: Stack, junk: bytes) -> None:
    async def mar(redis: "Redis", keys: Keys) -> tuple[bool, set[str]]:
        await redis.hset(keys.optouts, mapping={f"p:{ANN}": junk, f"p:{BOB}": "1 - message - - -"})  # type: ignore[misc]
        listed = {each.number async for each in opt_outs(redis, keys)}
        return (await consent_of(redis, keys, ANN)).opted_out, listed

    assert stack.ask(mar) == (True, {ANN, BOB})
    assert stack.deliver(envelope("message.received", received_sms(ANN, "hello"))).status_code == 200
    assert stack.deliver(envelope("message.received", received_sms(ANN, "START"))).status_code == 200
    assert stack.ask(lambda redis, keys: consent_of(redis, keys, ANN)).opted_out is False


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("name", ["state", "version", "sends", "sent", "bytes", "answer", "path", "status"])
def test_a_damaged_entry_of_the_ledger_is_shown_beside_its_neighbours(stack: Stack, name: str, junk: bytes) -> None:
    async def mar(redis: "Redis", keys: Keys) -> list[tuple[str, bool]]:
        for each in ("a", "b"):
            await redis.zadd(f"{keys.namespace}:effects:event", {each: 1})
            await redis.hset(f"{keys.namespace}:effect:{each}", mapping={"event": "event", "state": "done"})  # type: ignore[misc]
        await redis.hset(f"{keys.namespace}:effect:a", name, junk)  # type: ignore[arg-type, misc]
        await redis.zadd(f"{keys.namespace}:effects:event", {"c": 2})
        await redis.set(f"{keys.namespace}:effect:c", "no hash")
        return [(each.name, each.unread) for each in await effects_of(redis, keys, "event")]

    (first, unread), *others = stack.ask(mar)
    assert (first, others) == ("a", [("b", False), ("c", True)])
    assert unread == (name in ("state", "version", "sends", "status"))


@pytest.mark.parametrize("junk", [*JUNK, b"[]", b'{"status":1,"mark":null,"at":5,"changes":"x"}'])
def test_a_damaged_snapshot_is_read_as_another_status(junk: bytes) -> None:
    assert Known.parse(junk) == Known("unreadable", "", None, 0)


def test_a_damaged_cause_hides_no_other(stack: Stack) -> None:
    async def mar(redis: "Redis", keys: Keys) -> list[str]:
        await redis.sadd(f"{keys.namespace}:causes", "credentials", "permission")  # type: ignore[misc]
        await redis.hset(f"{keys.namespace}:cause:credentials", "since", b"\xff")  # type: ignore[arg-type, misc]
        await redis.hset(  # type: ignore[misc]
            f"{keys.namespace}:cause:permission", mapping={"since": 1, "detail": "d", "advice": "a"}
        )
        return sorted(each.name for each in await open_causes(redis, keys))

    assert stack.ask(mar) == ["credentials", "permission"]
