"""Calls of scripts, and what stands in Redis before them."""

import json
import re
from typing import Any

import orjson
from redis.exceptions import ResponseError

from tests.store.half_way import T, World
from tests.store.half_way_scenarios import (
    EVENT,
    NUMBER,
    Step,
    accepting,
    putting,
    then,
)

HOUR = 3_600_000
BODY = json.dumps({"to": NUMBER, "id": "40385f64-5717-4562-b3fc-2c963f66afa6"}).encode()
OTHER = NUMBER.replace("0142", "0143")


def looking_for_maintenance(*arguments: Any) -> Step:
    """Look for maintenance that is due. The share of its memory that a server uses depends on all that it holds."""

    async def act(world: World) -> Any:
        return (await running("maintenance_due", *arguments)(world))[:-1]

    return act


def running(script: str, *args: Any) -> Step:
    """A call of a script. What is no text and no number goes there as JSON."""
    words = [orjson.dumps(each) if isinstance(each, dict | list) else each for each in args]

    async def act(world: World) -> Any:
        answer = await world.store.run(script, *words)
        if script == "claim":
            answer[0] = [[event_id, _by_field(flat)] for event_id, flat in answer[0]]
        return answer

    return act


def _by_field(flat: list[bytes]) -> dict[bytes, bytes]:
    """Return a record by its fields. The server gives those of a large one in any order."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def each_of(*steps: Step) -> Step:
    """Steps whose answers all count, or that a script refuses them."""

    async def answer(world: World, step: Step) -> Any:
        try:
            return await step(world)
        except ResponseError as error:
            return re.sub(r"user_script:\d+|script: \w*", "script", str(error))

    async def act(world: World) -> Any:
        return [await answer(world, step) for step in steps]

    return act


def event(identity: str, **changes: Any) -> Step:
    return accepting(EVENT._replace(identity=identity, **changes))


def dead(identity: str, *, handler: str = "greet", reason: str = "why", after: int = 0) -> Step:
    """An event that one handler of a claim ends, `after` milliseconds."""
    record = json.dumps({"state": "dead", "reason": reason, "ran": 2, "attempts": 3, "error": "error"})
    key = f"event:{identity}"
    fields = {"state": "dead", "handlers": json.dumps([handler]), f"h:{handler}": record, "ended_at": T + after}
    return then(event(identity), putting("hset", key, mapping=fields), running("repair", identity))


def queued(*identities: str) -> Step:
    """Jobs in the queue, with what arq keeps of them, though there may be no event."""

    async def act(world: World) -> Any:
        for each in identities:
            await world.redis.set(f"arq:job:{world.keys.job_id(each)}", f"data of {each}")
            await world.redis.zadd(world.keys.queue, {world.keys.job_id(each): T - 1})

    return act


def hashed(key: str, **fields: Any) -> Step:
    return putting("hset", key, mapping=fields)


def record(**fields: Any) -> str:
    return json.dumps(fields, separators=(",", ":"))


def renewed(*quads: Any, answered: int = 9, blocked: Any = "", sign: Any = None, times: Any = "") -> Step:
    return running("renew", "w", 20_000, answered, blocked, sign or {}, times, *quads)
