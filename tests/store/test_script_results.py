"""What each script answers and writes, field by field. So a layout in Redis changes only where somebody means it."""

import json

import pytest
from redis.asyncio import Redis

from tests.store.half_way import Scenario
from tests.store.script_results import ALL, FILE, result_of

RESULTS = json.loads(FILE.read_text())


def test_each_scenario_has_a_name_and_a_result_of_its_own() -> None:
    assert sorted(each.name for each in ALL) == sorted(RESULTS)


@pytest.mark.anyio
@pytest.mark.parametrize("scenario", ALL, ids=lambda each: each.name)
async def test_a_script_answers_and_writes_what_it_did_before(server: "Redis", scenario: Scenario) -> None:
    """If you mean the change, write the results anew: python -m tests.store.script_results."""
    assert await result_of(server, scenario) == RESULTS[scenario.name]
