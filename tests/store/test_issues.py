"""Issues: dead events by cause, counted without a look at the events, and the states that operators give."""

import json

import pytest

from service.store.inbox.accept import find
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.maintenance import expire
from service.store.inbox.transfer import ImportedEvent, import_events
from service.store.operators.audit_log import Actor
from service.store.operators.issues import Issue, IssueState, issue_history, read_issues, state_issue
from tests.cli.conftest import deployment as deployment  # noqa: PLC0414 - a fixture
from tests.cli.deployment import Deployment

ANN = Actor("ann", "dashboard")


def died(deployment: Deployment, event_id: str, **reasons: str) -> None:
    deployment.accept(event_id)
    records = {name: HandlerRecord("dead", attempts=1, reason=reason) for name, reason in reasons.items()}
    deployment.finish(event_id, **records, fine=HandlerRecord("done"))


def issues(deployment: Deployment) -> dict[tuple[str, str], Issue]:
    return {(each.handler, each.reason): each for each in deployment.ask(read_issues)}


def counted(deployment: Deployment) -> dict[tuple[str, str], int]:
    return {cause: each.count for cause, each in issues(deployment).items()}


def test_each_handler_and_reason_is_an_issue_with_its_number_and_times(deployment: Deployment) -> None:
    died(deployment, "one", greet="why")
    died(deployment, "two", greet="why", thank="40001")
    found = issues(deployment)
    assert {cause: each.count for cause, each in found.items()} == {("greet", "why"): 2, ("thank", "40001"): 1}
    greeting = found["greet", "why"]
    assert (greeting.last_event, greeting.state) == ("two", "open")
    assert greeting.first_at <= (greeting.last_at or 0)
    history = deployment.ask(lambda store: issue_history(store, [each.id for each in found.values()]))
    assert [sum(history[each.id]) for each in found.values()] == [each.count for each in found.values()]
    assert len(history[greeting.id]) == 24


def test_an_event_leaves_its_issues_when_it_is_retried_dropped_replayed_or_expires(deployment: Deployment) -> None:
    for name in ("retried", "dropped", "replayed", "expired", "stays"):
        died(deployment, name, greet="why")
    assert counted(deployment) == {("greet", "why"): 5}
    assert deployment.run("dead", "retry", "retried", "--yes").code == 0
    assert deployment.run("dead", "drop", "dropped", "--yes").code == 0
    assert deployment.run("events", "replay", "replayed", "--yes").code == 0
    assert counted(deployment) == {("greet", "why"): 2}
    deployment.redis.zadd(deployment.keys.dead, {"expired": 1})
    deployment.ask(lambda store: expire(store, retention=9e5, dead_retention=9e5))
    assert counted(deployment) == {("greet", "why"): 1}


def test_a_second_death_counts_under_its_own_cause(deployment: Deployment) -> None:
    died(deployment, "one", greet="why")
    deployment.run("dead", "retry", "one", "--yes")
    deployment.finish("one", greet=HandlerRecord("dead", attempts=1, reason="another"))
    assert counted(deployment) == {("greet", "another"): 1}


def test_imported_and_repaired_dead_events_are_in_their_issues(deployment: Deployment) -> None:
    past = {"greet": HandlerRecord("dead", attempts=1, reason="past")}
    event = ImportedEvent("one", "message.received", b"{}", "webhook", 1_790_000_000_000, 1, past)
    deployment.ask(lambda store: import_events(store, [event], run_them=False, keep=9e5))
    assert counted(deployment) == {("greet", "past"): 1}
    [issue] = issues(deployment).values()
    deployment.redis.delete(f"{deployment.namespace}:died:{issue.id}", deployment.keys.dead)
    assert counted(deployment) == {}
    assert deployment.run("audit", "--repair").code == 0
    assert counted(deployment) == {("greet", "past"): 1}


@pytest.mark.parametrize("state", ["acknowledged", "resolved", "ignored", "open"])
def test_an_operator_gives_an_issue_a_state(deployment: Deployment, state: IssueState) -> None:
    died(deployment, "one", greet="why")
    [issue] = issues(deployment).values()
    deployment.ask(lambda store: state_issue(store, issue.id, state, ANN))
    [issue] = issues(deployment).values()
    assert (issue.state, issue.actor) == (state, "ann")


def test_a_resolved_issue_is_reopened_by_a_new_death_only(deployment: Deployment) -> None:
    died(deployment, "one", greet="why")
    [issue] = issues(deployment).values()
    deployment.ask(lambda store: state_issue(store, issue.id, "resolved", ANN))
    deployment.run("dead", "drop", "one", "--yes")
    assert [(each.state, each.count, each.last_at) for each in issues(deployment).values()] == [("resolved", 0, None)]
    died(deployment, "two", greet="why")
    deployment.redis.zadd(f"{deployment.namespace}:died:{issue.id}", {"two": 10**14})
    assert [each.state for each in issues(deployment).values()] == ["reopened"]


def fill_causes(deployment: Deployment) -> None:
    """Leave no room: all further causes of a handler are one."""
    full = {f"{each:016x}": json.dumps({"handler": "h", "reason": str(each), "first": 1}) for each in range(1000)}
    deployment.redis.hset(f"{deployment.namespace}:causes", mapping=full)


def test_causes_are_bounded(deployment: Deployment) -> None:
    fill_causes(deployment)
    died(deployment, "one", greet="new")
    died(deployment, "two", greet="newer")
    assert counted(deployment) == {("greet", "other"): 2}
    assert deployment.run("dead", "list", "--handler", "greet", "--reason", "new", "--json").stdout.count('"id"') == 1


@pytest.mark.parametrize("action", ["retry", "drop"])
def test_causes_that_are_counted_together_are_changed_together_and_no_others(
    deployment: Deployment, action: str
) -> None:
    died(deployment, "apart", greet="known")
    fill_causes(deployment)
    died(deployment, "one", greet="new")
    died(deployment, "two", greet="newer", thank="new")
    died(deployment, "apart too", greet="known")
    died(deployment, "stays", thank="newest")
    ran = deployment.run("dead", action, "--handler", "greet", "--reason", "other", "--yes")
    assert ran.stdout.endswith(": 2 events.\n"), ran
    assert counted(deployment) == {("greet", "known"): 2, ("thank", "other"): 1}
    if action == "retry":
        two = deployment.ask(lambda store: find(store, "two"))
        assert two is not None
        assert {name: each.state for name, each in two.handlers.items()} == {
            "greet": "pending",
            "thank": "dead",
            "fine": "done",
        }
    assert deployment.run("audit").code == 0


def test_the_causes_and_totals_are_listed(deployment: Deployment) -> None:
    for number in range(4):
        died(deployment, f"event-{number}", greet="why" if number else "40001")
    assert "Dead in all: 4 events, 2 shown." in (ran := deployment.run("dead", "list", "--limit", "2")).stderr
    assert "By cause: greet (why): 3, greet (40001): 1." in ran.stderr
    assert "Dead in all: 3 events, 3 shown." in deployment.run("dead", "list", "--reason", "why").stderr
    told = json.loads(deployment.run("dead", "causes", "--json").stdout)
    assert [(each["handler"], each["reason"], each["count"], each["state"]) for each in told] == [
        ("greet", "why", 3, "open"),
        ("greet", "40001", 1, "open"),
    ]
    assert "greet" in deployment.run("dead", "causes").stdout


def test_dead_events_of_several_causes_come_by_the_time_of_death(deployment: Deployment) -> None:
    for number, reason in enumerate(("a", "b", "a", "b")):
        died(deployment, str(number), greet=reason)
    listed = json.loads(deployment.run("dead", "list", "--handler", "greet", "--json").stdout)
    assert [each["id"] for each in listed] == ["3", "2", "1", "0"]
    limited = json.loads(deployment.run("dead", "list", "--handler", "greet", "--limit", "3", "--json").stdout)
    assert [each["id"] for each in limited] == ["3", "2", "1"]
