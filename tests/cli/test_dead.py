"""`ringback dead list`: what was given up on, and why."""

import json

import pytest

from service.store.inbox.handler_records import HandlerRecord
from tests.cli.deployment import Deployment

FAILED = HandlerRecord("dead", attempts=8, reason="ValueError", error="ValueError at greetings.py:7 in greet")


@pytest.mark.slow
def test_a_real_process_prints_dead_events_only(deployment: Deployment) -> None:
    deployment.one_of_each()
    ran = deployment.run_process("dead", "list", "--json")
    assert (ran.code, ran.stderr) == (0, "")
    [event] = json.loads(ran.stdout)
    assert (event["id"], event["state"]) == ("dead", "dead")
    assert event["handlers"] == {
        "greet": {"state": "dead", "attempts": 8, "reason": None, "error": None},
        "thank": {"state": "done", "attempts": 0, "reason": None, "error": None},
    }


def test_those_that_ended_last_come_first_and_no_more_than_the_limit(deployment: Deployment) -> None:
    deployment.accept("a", "b", "c")
    for age, event_id in enumerate("cab"):
        deployment.finish(event_id, greet=FAILED)
        deployment.redis.zadd(deployment.keys.dead, {event_id: 1_000 - age})
    assert [event["id"] for event in json.loads(deployment.run("dead", "list", "--json").stdout)] == ["c", "a", "b"]
    limited = deployment.run("dead", "list", "--json", "--limit", "2")
    assert [event["id"] for event in json.loads(limited.stdout)] == ["c", "a"]


def test_people_get_the_error_and_how_to_go_on(deployment: Deployment) -> None:
    deployment.accept("one")
    deployment.finish("one", greet=FAILED, thank=HandlerRecord("done", reason="too_old"))
    ran = deployment.run("dead", "list")
    as_json = json.loads(deployment.run("dead", "list", "--json").stdout)
    assert as_json[0]["handlers"]["greet"]["error"] == FAILED.error
    _, first, second = ran.stdout.splitlines()
    assert "greet dead after 8 attempts (ValueError): ValueError at greetings.py:7 in greet" in first
    assert second.strip() == "thank done (too_old)"
    assert ran.code == 0
    assert "fix what its error names" in ran.stderr


def test_an_empty_list_says_so_in_words(deployment: Deployment) -> None:
    deployment.accept("one")
    ran = deployment.run("dead", "list")
    assert (ran.code, ran.stdout, ran.stderr) == (0, "", "No event is dead.\n")
    assert deployment.run("dead", "list", "--json").stdout == "[]\n"


def test_bad_usage_exits_2(deployment: Deployment) -> None:
    assert deployment.run("dead", "list", "--limit", "0").code == 2
    assert deployment.run("dead", "list", "--state", "dead").code == 2
    assert deployment.run("dead", "list", "--since", "15m", "--until", "2h").code == 2
