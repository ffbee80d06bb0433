"""An event that goes dead is told at ERROR: a line per cause and hour, over all workers, with what retries it."""

from typing import Any

import pytest
import structlog

from service.store.inbox.handler_records import HandlerRecord
from service.worker.maintenance import log_dead
from tests.cli.conftest import deployment  # noqa: F401 - a fixture
from tests.cli.deployment import Deployment
from tests.pending import at_once


def told(deployment: Deployment) -> list[dict[str, Any]]:  # noqa: F811
    """What is logged when a worker looks, and another one after it."""
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            deployment.ask(log_dead)
    return [dict(line) for line in logs if line["log_level"] == "error"]


def die(deployment: Deployment, event_id: str, **handlers: HandlerRecord) -> None:  # noqa: F811
    deployment.accept(event_id)
    deployment.finish(event_id, **handlers)
    # The millisecond in which it died must be over.
    while _milliseconds(deployment) <= _score(deployment, event_id):
        pass


def _score(deployment: Deployment, event_id: str) -> float:  # noqa: F811
    return float(at_once(deployment.redis.zscore(deployment.keys.dead, event_id)) or 0)


def _milliseconds(deployment: Deployment) -> float:  # noqa: F811
    seconds, microseconds = at_once(deployment.redis.time())
    return float(seconds * 1000 + microseconds // 1000)


def test_one_line_per_cause_with_the_command(deployment: Deployment) -> None:  # noqa: F811
    for number in range(60):
        die(deployment, f"e{number}", greet=HandlerRecord("dead", reason="ValueError"))
    die(deployment, "f", greet=HandlerRecord("dead", reason="two words"), thank=HandlerRecord("done"))
    die(deployment, "g", greet=HandlerRecord("dead", reason="ambiguous"))
    assert [line["retry"] for line in told(deployment)] == [
        "ringback dead retry --handler greet --reason ValueError",
        "ringback dead retry --handler greet --reason 'two words'",
        "ringback dead retry g --sent (or --not-sent)",
    ]
    die(deployment, "h", greet=HandlerRecord("dead", reason="ValueError"))
    assert told(deployment) == [], "not again within the hour"


@pytest.mark.more_rights("the test asks by PTTL")
def test_after_the_hour_it_is_told_again(deployment: Deployment) -> None:  # noqa: F811
    die(deployment, "a", greet=HandlerRecord("dead", reason="ValueError"))
    assert len(told(deployment)) == 1
    [key] = deployment.redis.scan_iter(f"{deployment.keys.namespace}:dead_notified:*")
    assert 3_500_000 < at_once(deployment.redis.pttl(key)) <= 3_600_000
    deployment.redis.delete(key)
    die(deployment, "b", greet=HandlerRecord("dead", reason="ValueError"))
    [line] = told(deployment)
    assert line["first"] == "b"


def test_the_command_that_it_gives_works(deployment: Deployment) -> None:  # noqa: F811
    import shlex

    die(deployment, "a", greet=HandlerRecord("dead", reason="it's odd"))
    [line] = told(deployment)
    _, *arguments = shlex.split(line["retry"])
    assert deployment.run(*arguments, "--yes").stdout == "retried: 1 event.\n"
