"""The answer of each scenario, and all that it leaves in Redis, field by field, at a fixed time.

`python -m tests.store.script_results` writes the results of the present scripts. Look at the difference first.
"""

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import fields, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from redis.asyncio import Redis

from service import clock
from service.processes import embedded_server
from service.store.connection import connect
from tests.store.bound_scenarios import BOUNDS
from tests.store.claim_scenarios import CLAIMS
from tests.store.consent_scenarios import CONSENT, FUTURE, MESSAGES, PREFLIGHTS
from tests.store.drawn_claims import DRAWN_CLAIMS
from tests.store.drawn_notices import DRAWN_NOTICES
from tests.store.drawn_order import DRAWN_ORDER
from tests.store.drawn_scenarios import DRAWN
from tests.store.edge_scenarios import EDGES
from tests.store.effect_scenarios import EFFECTS
from tests.store.gate_scenarios import BLOCKS, GATE
from tests.store.half_way import Scenario, World, new_world
from tests.store.half_way_scenarios import SCENARIOS
from tests.store.healing_scenarios import HEALING, IMPORTS
from tests.store.index_scenarios import INDEXES
from tests.store.notice_scenarios import CAUSES, NOTICES, QUEUES
from tests.store.rare_scenarios import RARE
from tests.store.reader_scenarios import READERS
from tests.store.search_scenarios import JOBS, SEARCHES

FILE = Path(__file__).with_name("script_results.json")
ALL = (
    *SCENARIOS,
    *NOTICES,
    *QUEUES,
    *CAUSES,
    *INDEXES,
    *BLOCKS,
    *GATE,
    *CONSENT,
    FUTURE,
    *MESSAGES,
    *PREFLIGHTS,
    *EFFECTS,
    *HEALING,
    *IMPORTS,
    *SEARCHES,
    *JOBS,
    *CLAIMS,
    *READERS,
    *DRAWN,
    *DRAWN_CLAIMS,
    *DRAWN_NOTICES,
    *DRAWN_ORDER,
    *EDGES,
    *BOUNDS,
    *RARE,
)
MINUTE = 60_000


async def result_of(server: "Redis", scenario: Scenario) -> dict[str, Any]:
    """Return what a scenario answers and leaves, as JSON has it."""
    world = new_world(server, slotted=scenario.slotted)
    try:
        with clock.moved(lambda: world.redis.now / 1000):
            await scenario.arrange(world)
            answer = await scenario.act(world)
    except Exception as error:
        error.add_note(f"in the scenario {scenario.name!r}")
        raise
    stored = await world.contents()
    lifetimes = {name: await _minutes(world, name) for name, (_, expires) in stored.items() if expires}
    values = {name: _plain(value) for name, (value, _) in stored.items()}
    text = json.dumps({"answer": _plain(answer), "stored": values, "minutes": lifetimes}, sort_keys=True)
    return cast("dict[str, Any]", json.loads(text.replace(world.keys.namespace, "ns")))


async def _minutes(world: World, name: str) -> int:
    """Return for how many minutes a key is still kept. Rounded, so that a busy machine changes nothing."""
    left = await cast("Awaitable[int]", world.redis.pttl(name.replace("ns:", f"{world.keys.namespace}:", 1)))
    return (left + MINUTE // 2) // MINUTE


def _plain(value: Any) -> Any:
    """Return a value without types and without an order that chance decides."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, bytes):
        return _plain(value.decode(errors="backslashreplace"))
    if isinstance(value, str):
        return _plain(json.loads(value)) if value.startswith(("{", "[")) and value.endswith(("}", "]")) else value
    if isinstance(value, dict):
        return {str(_plain(name)): _plain(each) for name, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(_plain, value), key=str)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, int | float | None) else str(value)


async def _write() -> None:
    with TemporaryDirectory() as folder, embedded_server.start(Path(folder)) as started:
        async with connect(started.url, timeout=10, connections=4) as server:
            results = {each.name: await result_of(server, each) for each in ALL}
    FILE.write_text(_in_lines(results))


def _in_lines(results: dict[str, dict[str, Any]]) -> str:
    """Return the results as JSON, with a line for each answer and each key, so that a difference is short."""
    scenarios = []
    for name, result in sorted(results.items()):
        lines = [f'"answer": {_on_one_line(result["answer"])}', f'"minutes": {_on_one_line(result["minutes"])}']
        stored = ",\n".join(
            f"  {json.dumps(key)}: {_on_one_line(value)}" for key, value in sorted(result["stored"].items())
        )
        lines.append(f'"stored": {{\n{stored}\n }}' if stored else '"stored": {}')
        scenarios.append(f"{json.dumps(name)}: {{\n " + ",\n ".join(lines) + "\n}")
    return "{\n" + ",\n".join(scenarios) + "\n}\n"


def _on_one_line(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


if __name__ == "__main__":
    asyncio.run(_write())
