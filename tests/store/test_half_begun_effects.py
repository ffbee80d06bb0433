"""An intent that failed half-way is none: nothing was sent, and nobody has to say whether it was."""

import uuid
from dataclasses import replace
from typing import cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.security.encryption import PLAIN
from service.store.effects import ledger
from service.store.store import Store
from tests.store.half_way import FaultyRedis, World, all_scripts
from tests.store.half_way_scenarios import ENTRY, FALLBACK, LEASED, beginning


@pytest.mark.anyio
async def test_a_later_run_finds_no_effect_where_an_intent_failed_half_way(server: "Redis") -> None:
    begin = beginning(replace(ENTRY, caller_key=True), conditions=FALLBACK)
    writes = 0
    while True:
        redis = cast("Redis", FaultyRedis(server, all_scripts()))
        world = World(Store(redis, f"t{uuid.uuid4().hex[:12]}", PLAIN))
        await LEASED(world)
        world.redis.fail_at = writes + 1
        try:
            await begin(world)
        except ResponseError:
            writes += 1
        else:
            break
        world.redis.fail_at = 0
        found = await ledger.read_entry(world.store, "one", ENTRY.name, "another run")
        assert found.entry is None, world.redis.refused
        assert await ledger.effects_of(world.store, "one") == [], world.redis.refused
    assert writes > 3
