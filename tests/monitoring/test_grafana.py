"""The board for Grafana: a real Prometheus scrapes an ingress and a worker, and answers the query of every panel."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import prometheus_client
import pytest
import yaml

import handlers
from service import Context, Event, Retry, Router
from service.cli.demo.stack import free_port
from service.store.store import Store
from tests.monitoring.test_alerts import ROOT, exposed, selectors, shown
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number
from tests.waiting import wait_for

__all__ = ["exposed", "shown"]  # fixtures

BOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana.json").read_text())
PANELS = [each for each in BOARD["panels"] if each["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]


ORDERED = Router()


@ORDERED.on("test.ordered", ordered_by=lambda event: "one")
async def ordered(event: Event[dict[str, Any]], ctx: Context) -> None:
    raise Retry(after=300)


def query(expression: str) -> str:
    """The query as Grafana sends it."""
    return expression.replace("$job", "ringback").replace("$__rate_interval", "30s")


def test_every_query_asks_for_metrics_and_labels_that_there_are(exposed: dict[str, set[str]]) -> None:
    for title, expression in QUERIES:
        for selector in selectors(query(expression)):
            if selector.name == "ringback_order_waiting_events":
                continue  # has no sample without an ordered handler. Prometheus is asked for it below
            assert selector.name in exposed, f"{title} asks for {selector.name}, which is exposed nowhere"
            labels = {each.name for each in selector.matchers.matchers}
            assert labels <= exposed[selector.name] | {"job", "instance"}, title


def test_panels_do_not_overlap_and_each_has_a_description() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert taken.isdisjoint(cells), panel["title"]
        assert place["x"] + place["w"] <= 24
        assert panel["description"].endswith("."), panel["title"]
        taken |= cells
    assert len({each["id"] for each in BOARD["panels"]}) == len(BOARD["panels"])


@contextmanager
def prometheus(folder: Path, *targets: str) -> Iterator[str]:
    """Run a Prometheus that scrapes these addresses every second; gives its own address."""
    jobs = [{"job_name": "ringback", "static_configs": [{"targets": list(targets)}]}]
    configuration = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    port = free_port()
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Debian's package prometheus is not installed")
def test_prometheus_answers_every_query_with_data(own_stack: Stack, tmp_path: Path) -> None:
    async def limit(store: Store) -> None:
        await store.redis.config_set("maxmemory", 2**30)

    own_stack.ask(limit)
    worker = own_stack.start_worker(Router(handlers.router, ORDERED))
    server, thread = prometheus_client.start_http_server(0, "127.0.0.1", worker._metrics.registry)
    ingress = str(own_stack.http.base_url).removeprefix("http://").rstrip("/")
    left = dict(enumerate(QUERIES))
    for _ in range(2):  # the first one waits, and so does the second for its turn
        own_stack.deliver(envelope("test.ordered", {}))
    with prometheus(tmp_path, ingress, f"127.0.0.1:{server.server_port}") as address:

        def all_answered() -> bool:
            # A rate needs counters that grow between two scrapes.
            own_stack.deliver(envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number())))
            own_stack.http.post("/webhooks", content=b"{}")
            for number, (_, expression) in list(left.items()):
                if has_data(address, query(expression)):
                    del left[number]
            return not left

        try:
            wait_for(all_answered, seconds=60)
        except AssertionError:
            pytest.fail(f"no data for {list(left.values())}")
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def has_data(address: str, expression: str) -> bool:
    """Whether Prometheus answers with a value that is a number. It answers 503 while it starts."""
    try:
        answer = httpx.get(f"{address}/api/v1/query", params={"query": expression}, trust_env=False)
    except httpx.HTTPError:
        return False
    assert answer.status_code in {200, 503}, answer.text
    return answer.is_success and any(each["value"][1] != "NaN" for each in answer.json()["data"]["result"])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's package prometheus is not installed")
def test_prometheus_takes_the_alerting_rules() -> None:
    checked = subprocess.run(
        ["promtool", "check", "rules", ROOT / "deploy" / "alerts.yaml"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
