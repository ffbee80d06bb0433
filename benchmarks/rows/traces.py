"""The cost of traces: an ingress and a worker without them, and beside it under several samplers."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.figures import Result, Table, median, median_ratio
from benchmarks.redis_server import RedisServer, redis_server
from benchmarks.row import Scale
from benchmarks.rows import ingress, worker
from benchmarks.rows.ingress import MOST_RATE
from benchmarks.signed_events import fresh_ids, received, requests
from benchmarks.stacks import RINGBACK_STACK, Receiver, Stack, receiving

SAMPLERS: dict[str, dict[str, str]] = {
    "off": {},
    "at most 10 a second (default)": {},
    "1 %": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"},
    "all": {"OTEL_TRACES_SAMPLER": "parentbased_always_on"},
}
ROUNDS = 7
"""Turns of each side. The differences are small."""


def run(scale: Scale) -> Result:
    """Measure all by turns, the ingress on one Redis and the worker on another."""
    with _collector() as url:
        stacks = [_stack(name, variables, url) for name, variables in SAMPLERS.items()]
        return _result(_received(stacks, scale), _handled(stacks, scale))


def _received(stacks: list[Stack], scale: Scale) -> dict[str, list[float]]:
    turns = {each.name: ingress.Turns() for each in stacks}
    with _receivers(stacks, scale) as (redis, receivers):
        for turn in range(_rounds(scale) + 1):
            pool = requests(fresh_ids(300 if scale.quick else int(MOST_RATE * scale.seconds)), received)
            for stack, receiver in receivers if turn % 2 else reversed(receivers):
                # The first turn warms up.
                ingress.measure(receiver, redis, pool, scale.seconds, turns[stack.name] if turn else ingress.Turns())
    return {name: each.cpu for name, each in turns.items()}


def _handled(stacks: list[Stack], scale: Scale) -> dict[str, list[float]]:
    turns = {each.name: worker.Turns() for each in stacks}
    count = worker.QUICK_EVENTS if scale.quick else worker.OUR_EVENTS
    with _receivers(stacks, scale) as (redis, receivers):
        for turn in range(_rounds(scale)):
            for stack, receiver in receivers if turn % 2 else reversed(receivers):
                worker.measure(stack, receiver, redis, scale, count=count, turns=turns[stack.name])
    return {name: each.cpu for name, each in turns.items()}


@contextmanager
def _receivers(stacks: list[Stack], scale: Scale) -> Iterator[tuple[RedisServer, list[tuple[Stack, Receiver]]]]:
    with ExitStack() as running:
        redis = running.enter_context(redis_server(scale.folder))
        yield redis, [(each, running.enter_context(receiving(each, redis, scale))) for each in stacks]


def _rounds(scale: Scale) -> int:
    return 1 if scale.quick else ROUNDS


def _stack(name: str, variables: dict[str, str], url: str) -> Stack:
    on = {} if name == "off" else {"OTEL_EXPORTER_OTLP_ENDPOINT": url, **variables}
    return replace(RINGBACK_STACK, name=name, variables={**RINGBACK_STACK.variables, **on})


def _result(received_by: dict[str, list[float]], handled_by: dict[str, list[float]]) -> Result:
    lines, figures = [], {}
    for name in SAMPLERS:
        line = [name]
        for side, cpu in (("ingress", received_by), ("worker", handled_by)):
            figures[f"{side}, {name}"] = ratio = median_ratio(cpu[name], cpu["off"])
            line += [f"{median(cpu[name]):.0f}", f"{ratio:.3f}"]
        lines.append(line)
    columns = ("sampler", "ingress CPU µs", "× off", "worker CPU µs", "× off")
    return Result([Table("Traces: CPU of an event, turn by turn", columns, lines)], figures)


@contextmanager
def _collector() -> Iterator[str]:
    """Take traces, and keep none."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
