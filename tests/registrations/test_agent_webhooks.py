"""Events that come by another way than declared: the agent is looked at once an hour, and put right if asked for."""

from dataclasses import replace
from typing import Any

import pytest

from handlers import agent_webhooks
from service.events import read_event
from service.registrations.webhook_urls import named_destinations
from service.store.store import Store
from tests.registrations.noted import arrive, noted
from tests.stack import Stack
from tests.telnyx_events import Body, envelope, fresh_number, received_rcs, received_sms

ELSEWHERE = "https://elsewhere.example/hook"
DAILY = "ringback.cron.agent_webhooks_daily"


def start(stack: Stack, **settings: Any) -> None:
    urls = {"public_url": f"{stack.host.url}/webhooks", "failover_url": f"{stack.host.url}/webhooks/failover"}
    stack.start_worker(agent_webhooks.router, **{**urls, "manage": "*", **settings})


def by_another_way(agent_id: str = "acme_agent", *, url: str = ELSEWHERE) -> Body:
    payload = received_rcs(fresh_number(), "Hello")
    payload["messaging_profile_id"] = None
    payload["to"] = [{"agent_id": agent_id, "agent_name": "Acme"}]
    body = envelope("message.received", payload)
    body["meta"]["delivered_to"] = url
    return body


def deliver(stack: Stack, body: Body) -> str | None:
    """Deliver an event; answers the reason with which the handler ended."""
    stack.deliver(body)
    record = stack.ended(body)
    assert record.state == "done", record
    return record.handlers["agent_webhooks"].reason


def patches(stack: Stack) -> list[str]:
    return [each.path for each in stack.simulator.requests if each.method == "PATCH"]


def url_of(stack: Stack, agent_id: str) -> tuple[str | None, str | None]:
    agent = stack.simulator.account.agents.find(agent_id)
    assert agent is not None
    return agent.webhook_url, agent.webhook_failover_url


def test_without_a_declared_url_nothing_is_looked_at(stack: Stack) -> None:
    start(stack, public_url=None, failover_url=None)
    stack.deliver(body := by_another_way())
    assert stack.ended(body).state == "ignored"
    record = stack.ended(arrive(stack, DAILY, "daily"))
    assert record.handlers["agent_webhooks_daily"].reason == "not_armed"
    assert stack.simulator.requests == []


def test_what_arrives_as_declared_costs_no_request(stack: Stack) -> None:
    start(stack)
    for path in ("/webhooks", "/webhooks/failover"):
        assert deliver(stack, by_another_way(url=stack.host.url + path)) == "in_place"
    without_meta = by_another_way()
    del without_meta["meta"]
    assert deliver(stack, without_meta) == "in_place"
    assert stack.simulator.requests == []


def test_an_agent_elsewhere_is_reported_once_an_hour_and_not_changed(stack: Stack) -> None:
    start(stack)
    for _ in range(3):
        assert deliver(stack, by_another_way()) is None
    assert [each.path for each in stack.simulator.requests] == ["/messaging/rcs/agents/acme_agent"]
    assert "agent acme_agent: webhook_url, webhook_failover_url not as declared" in noted(stack)
    assert "ringback webhooks apply" in noted(stack)
    deliver(stack, by_another_way("acme_alerts_agent"))
    assert len(stack.simulator.requests) == 2


def test_repairs_happen_only_if_asked_for_and_can_be_taken_back(stack: Stack) -> None:
    start(stack, repair_webhooks=True)
    agents = stack.simulator.account.agents
    agents.put(replace(agents.known("acme_agent"), webhook_url=ELSEWHERE))
    deliver(stack, by_another_way())
    assert patches(stack) == ["/messaging/rcs/agents/acme_agent"]
    assert url_of(stack, "acme_agent") == (f"{stack.host.url}/webhooks", f"{stack.host.url}/webhooks/failover")
    assert "ringback webhooks undo" in noted(stack)

    from tests.cli.at_stack import run_at

    assert run_at(stack, "webhooks", "undo", "--yes").code == 0
    assert url_of(stack, "acme_agent") == (ELSEWHERE, None)


def test_nothing_is_repaired_to_a_url_that_does_not_answer(stack: Stack) -> None:
    start(stack, repair_webhooks=True, public_url="http://127.0.0.1:9/webhooks")
    deliver(stack, by_another_way())
    assert patches(stack) == []
    assert "webhooks cannot be repaired" in noted(stack)


def test_a_dry_run_reports_and_repairs_nothing(stack: Stack) -> None:
    start(stack, repair_webhooks=True, dry_run=True)
    deliver(stack, by_another_way())
    assert patches(stack) == []
    assert "not as declared" in noted(stack)


def test_what_is_not_ours_is_left_alone(stack: Stack) -> None:
    start(stack, repair_webhooks=True, manage="acme_alerts_agent")
    deliver(stack, by_another_way())
    assert patches(stack) == []
    assert noted(stack) == ""


def test_an_outage_while_looking_does_not_use_up_the_hour(stack: Stack) -> None:
    start(stack)
    stack.simulator.add_fault(status=503, times=1)
    deliver(stack, by_another_way())
    assert [each.status for each in stack.simulator.requests] == [503, 200]
    assert "acme_agent" in noted(stack)


def test_the_daily_look_tells_of_drift_and_of_agents_that_are_new(stack: Stack) -> None:
    start(stack, manage="acme_agent")
    stack.ended(arrive(stack, DAILY, "first"))
    first = noted(stack)
    assert "agent acme_agent: webhook_url" in first
    assert "a new RCS agent" not in first

    agents = stack.simulator.account.agents
    agents.put(replace(agents.known("acme_agent"), agent_id="brand_new_agent"))
    stack.ended(arrive(stack, DAILY, "second"))
    assert "agent brand_new_agent: webhooks not managed" in noted(stack)
    stack.ended(arrive(stack, DAILY, "third"))
    assert noted(stack).count("brand_new_agent") == 1
    assert patches(stack) == []


def test_a_refused_repair_keeps_no_other_destination_and_no_new_agent_waiting(stack: Stack) -> None:
    start(stack, repair_webhooks=True)
    agents = stack.simulator.account.agents
    stack.ended(arrive(stack, DAILY, "first"))
    ours = url_of(stack, "acme_agent")
    stack.ask(forget_looks)
    for each in ("acme_agent", "acme_alerts_agent", "acme_support_agent"):
        agents.put(replace(agents.known(each), webhook_url=ELSEWHERE))
    agents.put(replace(agents.known("acme_agent"), agent_id="brand_new_agent"))
    stack.simulator.add_fault(method="PATCH", path="*/agents/acme_agent", status=422, code="10015", times=None)

    record = stack.ended(arrive(stack, DAILY, "second"))
    assert (record.state, record.handlers["agent_webhooks_daily"].reason) == ("dead", "10015")
    assert [url_of(stack, each) for each in ("acme_alerts_agent", "acme_support_agent", "brand_new_agent")] == [
        ours
    ] * 3
    told = noted(stack)
    assert "webhooks cannot be repaired" in told
    assert "agent acme_agent: 422" in told
    assert "agent brand_new_agent: webhooks" in told


def test_an_outage_during_repairs_is_waited_out_and_no_refusal(stack: Stack) -> None:
    start(stack, repair_webhooks=True)
    stack.simulator.add_fault(method="PATCH", status=503, times=1)
    assert stack.ended(arrive(stack, DAILY, "first")).state == "done"
    assert "cannot be repaired" not in noted(stack)


async def forget_looks(store: Store) -> None:
    """Let the hour pass in which nothing is looked at twice."""
    for key in [key async for key in store.redis.scan_iter(f"{store.namespace}:*webhooks:*")]:
        await store.redis.delete(key)


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (
            received_rcs("+13125550100", "Hi"),
            [("agent", "acme_agent"), ("profile", "740572b6-099c-44a1-89b9-6c92163bc68d")],
        ),
        (received_sms("+13125550100", "Hi"), [("profile", "740572b6-099c-44a1-89b9-6c92163bc68d")]),
        ({"profile_id": "p", "order_id": "o"}, [("profile", "p")]),
        ({"from": {"agent_id": "a"}, "to": "+13125550100", "messaging_profile_id": None}, [("agent", "a")]),
        ({"from": "+13125550100", "to": [None, 3, {"agent_id": 4}]}, []),
    ],
    ids=["rcs", "sms", "hosted order", "outbound", "odd"],
)
def test_agents_and_profiles_are_found_in_payloads_of_any_shape(payload: Body, named: list[tuple[str, str]]) -> None:
    assert named_destinations(payload) == named


@pytest.mark.parametrize("meta", ['{"delivered_to": 3}', '{"delivered_to": ""}', "[]", "null"])
def test_where_an_event_was_delivered_to_may_be_missing(meta: str) -> None:
    body = f'{{"data": {{"payload": {{}}}}, "meta": {meta}}}'.encode()
    assert read_event("id", "type", body, "webhook").delivered_to is None
