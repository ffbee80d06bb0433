"""The alerting rules that users paste: each can be read, and asks for what is there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import generate_latest

import handlers
from service.store.store import Store
from tests.monitoring.scraping import Scrape
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
ADDED_BY_PROMETHEUS = {"job", "instance"}
MONITOR = ROOT / "docs" / "monitor.md"


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def nodes(node: Any) -> Iterator[Any]:
    """An expression and all within it."""
    yield node
    for name in ("lhs", "rhs", "expr", "param", "args", "vector_selector"):
        inner = getattr(node, name, None)
        for each in inner if isinstance(inner, list) else [inner]:
            if type(each).__module__ == type(node).__module__:
                yield from nodes(each)


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    parsed = promql_parser.parse(expression)
    return [each for each in nodes(parsed) if isinstance(each, promql_parser.VectorSelector)]


def grouped_by(expression: str) -> set[str]:
    aggregations = [
        each for each in nodes(promql_parser.parse(expression)) if isinstance(each, promql_parser.AggregateExpr)
    ]
    return {label for each in aggregations if each.modifier for label in each.modifier.labels}


@pytest.fixture
def shown(own_stack: Stack) -> Scrape:
    """What an ingress and a worker that have both had something to do show together."""

    async def limit(store: Store) -> None:
        await store.redis.config_set("maxmemory", 2**30)

    own_stack.ask(limit)
    worker = own_stack.start_worker(handlers.router)
    event = envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number()))
    own_stack.deliver(event)
    own_stack.ended(event)

    def both() -> Scrape | None:
        text = own_stack.http.get("/metrics").text + generate_latest(worker._metrics.registry).decode()
        return Scrape(text) if "ringback_blocks{" in text else None

    return wait_for(both)


@pytest.fixture
def exposed(shown: Scrape) -> dict[str, set[str]]:
    """The names of all samples, with their labels."""
    found: dict[str, set[str]] = {}
    for sample in shown.samples:
        found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_rule_asks_for_metrics_and_labels_that_there_are(exposed: dict[str, set[str]]) -> None:
    for rule in rules():
        asked = selectors(rule["expr"])
        assert asked, f"{rule['alert']} looks at nothing"
        for selector in asked:
            assert selector.name in exposed, f"{rule['alert']} asks for {selector.name}, which is exposed nowhere"
            labels = {matcher.name for matcher in selector.matchers.matchers}
            assert labels <= exposed[selector.name] | ADDED_BY_PROMETHEUS, f"{rule['alert']} asks for {labels}"
        known = set.union(ADDED_BY_PROMETHEUS, *(exposed[str(each.name)] for each in asked))
        assert grouped_by(rule["expr"]) <= known, rule["alert"]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_rule_is_whole_and_explained(rule: dict[str, Any]) -> None:
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Ringback[A-Za-z]+", rule["alert"])
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    assert f"`{rule['alert']}`" in MONITOR.read_text(), "the page says what to do about it"


def test_every_metric_is_in_the_page_and_the_page_names_no_other(shown: Scrape) -> None:
    assert set(re.findall(r"`(ringback_\w+)", MONITOR.read_text())) == shown.metrics


def test_the_check_finds_names_within_functions_and_operators() -> None:
    expression = 'sum by (job) (rate(a_total{x="1"}[5m])) > 2 * b unless absent(c offset 5m)'
    assert [each.name for each in selectors(expression)] == ["a_total", "b", "c"]
    assert grouped_by(expression) == {"job"}
