"""OpenMetrics for a scraper that asks for it, and exemplars that lead from its buckets to traces."""

from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from service import Context, Event, Router
from service.ingress.app import create_app
from service.ingress.metrics import IngressMetrics, ProcessSlot
from tests.monitoring.otlp_collector import Collector
from tests.stack import Host, Stack, open_stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for

PROMETHEUS = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain"


def exposed(registry: CollectorRegistry) -> str:
    """What a scraper gets that asks for OpenMetrics."""
    encode, _ = choose_encoder(PROMETHEUS)
    return encode(registry).decode()


def samples(text: str) -> list[Sample]:
    """Every sample of a document in OpenMetrics. The parser refuses what its specification forbids."""
    parse: Any = text_string_to_metric_families
    return [each for family in parse(text) for each in family.samples]


def traces(found: list[Sample], name: str) -> set[str]:
    """The traces that the buckets of a histogram name. Each lies within its bucket."""
    buckets = [each for each in found if each.name == f"{name}_bucket" and each.exemplar is not None]
    assert all(each.exemplar.value <= float(each.labels["le"]) for each in buckets if each.exemplar)
    return {each.exemplar.labels["trace_id"] for each in buckets if each.exemplar}


def test_a_scraper_that_asks_for_openmetrics_gets_one_document_of_it(stack: Stack) -> None:
    stack.deliver(envelope("test.any", {}))
    answer = stack.http.get("/metrics", headers={"accept": PROMETHEUS})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert {"ringback_accept_seconds_count", "ringback_redis_up"} <= {each.name for each in samples(answer.text)}
    assert answer.text.count("# EOF") == 1
    plain = stack.http.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain")
    assert not traces(samples(answer.text), "ringback_accept_seconds"), "traces are off"


def test_the_buckets_name_the_traces_of_webhooks_and_runs(host: Host, collector: Collector) -> None:
    router = Router()

    @router.on("test.any")
    async def note(event: Event, ctx: Context) -> None: ...

    with open_stack(host) as stack:
        worker = stack.start_worker(router)
        event = envelope("test.any", {})
        stack.deliver(event)
        stack.ended(event)
        [webhook] = wait_for(lambda: collector.of_kind("SERVER"))
        text = stack.http.get("/metrics", headers={"accept": PROMETHEUS}).text
        runs = exposed(worker._metrics.registry)
    assert traces(samples(text), "ringback_accept_seconds") == {webhook.trace_id}
    assert traces(samples(runs), "ringback_handler_seconds") == {webhook.trace_id}


def test_one_of_several_ingress_processes_shows_its_own_traces(tmp_path: Path) -> None:
    slots = [ProcessSlot(tmp_path) for _ in range(2)]
    ours, theirs = map(IngressMetrics, slots)
    for metrics, trace_id in ((ours, "1" * 32), (theirs, "2" * 32)):
        metrics.answered(200, "accepted", "webhook", 0.003)
        metrics.exemplify(0.003, trace_id)
    theirs._write()
    found = samples(exposed(ours.registry))
    for slot in slots:
        slot.close()
    assert traces(found, "ringback_accept_seconds") == {"1" * 32}
    assert [each.value for each in found if each.name == "ringback_accept_seconds_count"] == [2]


def test_a_mounted_ingress_opens_and_closes_its_traces(stack: Stack, collector: Collector) -> None:
    with stack.host.serving(create_app(stack.settings)):
        stack.deliver(envelope("test.mounted", {}))
    # Its end sends what is left, whatever the delay of the batches.
    assert wait_for(lambda: collector.of_kind("SERVER"))
