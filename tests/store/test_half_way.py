"""Every script that fails at any of its writes is undone, or completed by its repetition; nothing is miscounted."""

from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from service.store.inbox.audit import audit, repair
from tests.store.half_way import Scenario, new_world
from tests.store.half_way_scenarios import SCENARIOS

BESIDE_THE_COUNTERS = ("HSET", "DEL")
MOST_REPAIRED = 2


TOLD_AGAIN = {"dead_causes", "notices_take", "notice_sent"}
"""People may be told once too often or, as with a lost reply, not: neither events nor effects depend on it."""


def marked(scenario: Scenario) -> Any:
    """A scenario as a parameter of the test."""
    marks = [pytest.mark.xfail(strict=True, reason="telling people")] if scenario.name in TOLD_AGAIN else []
    return pytest.param(scenario, marks=marks)


async def unharmed(server: "Redis", scenario: Scenario) -> tuple[Any, dict[str, Any]]:
    """The answer and what is stored where nothing fails."""
    calm = new_world(server)
    await scenario.arrange(calm)
    return await scenario.act(calm), await calm.contents()


@pytest.mark.anyio
@pytest.mark.parametrize("scenario", [marked(each) for each in SCENARIOS], ids=lambda each: each.name)
async def test_a_script_that_fails_at_one_write_is_completed_by_its_repetition(
    server: "Redis", scenario: Scenario
) -> None:
    answer, stored = await unharmed(server, scenario)
    wrong: list[str] = []
    repaired: list[str] = []
    points = 0
    while True:
        broken = new_world(server)
        await scenario.arrange(broken)
        broken.redis.fail_at = points + 1
        try:
            await scenario.act(broken)
        except ResponseError:
            points += 1
        else:
            break
        point = f"write {points}: {broken.redis.refused[-1].replace(broken.keys.namespace, 'ns')}"
        broken.redis.fail_at = 0
        repeated = await scenario.act(broken)
        if scenario.same_answer and repeated != answer:
            wrong.append(f"{point}: answered {repeated!r}, not {answer!r}")
        checked = await audit(broken.store)
        if not checked.clean and broken.redis.refused[-1].split(" ")[0] in BESIDE_THE_COUNTERS:
            # The counters and the mark are two writes: what lies between them no order can help.
            repaired.append(point)
            await repair(broken.store, checked)
            checked = await audit(broken.store)
        found = await broken.contents()
        differing = differences(stored, found, scenario)
        if differing:
            wrong.append(f"{point}: {differing}")
        if not checked.clean:
            wrong.append(f"{point}: audit {checked.differences} {checked.contradictions}")
    assert points > 0
    assert len(repaired) <= MOST_REPAIRED
    assert wrong == [], "\n".join(wrong)


def differences(expected: dict[str, Any], found: dict[str, Any], scenario: Scenario) -> list[str]:
    """What differs in what is stored, key by key."""
    keys = sorted({*expected, *found} - set(scenario.ignored))
    return [
        f"{key}: {without(found.get(key), key, scenario)!r}, not {without(expected.get(key), key, scenario)!r}"
        for key in keys
        if without(found.get(key), key, scenario) != without(expected.get(key), key, scenario)
    ]


def without(stored: Any, key: str, scenario: Scenario) -> Any:
    """What is stored under a key, without the fields that do not matter."""
    if key == "ns:wake" or (key.startswith("ns:slots:") and stored):
        return None  # a hint, and slots of which some go unused
    if key.startswith("ns:minute:"):
        return stored and stored[1]  # the same digests may stand in it twice
    if stored is None or not isinstance(stored[0], dict):
        return stored
    fields = {name: value for name, value in stored[0].items() if f"{key}|{name}" not in scenario.ignored}
    if key == "ns:counts":
        fields = {name: value for name, value in fields.items() if value != "0"}
    return fields, stored[1]
