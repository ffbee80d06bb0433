"""The cost of traces: CPU of an ingress and a worker with them, beside the same without, in short blocks."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks import handled
from benchmarks.blocks import CONNECTIONS, Connections, median_with_spread
from benchmarks.figures import Result, Table, median
from benchmarks.machine import cpu_seconds
from benchmarks.processes import wait_for
from benchmarks.redis_server import RedisServer, redis_server
from benchmarks.row import Scale
from benchmarks.signed_events import fresh_ids, received, requests
from benchmarks.stacks import RINGBACK_STACK, Stack, receiving, working

OFF, CONTROL, NONE, ALL = "off", "off, once more", "on, none sampled", "on, all sampled"
DEFAULT = "on, at most 10 a second (default)"
TRACES_PER_SECOND = 10
_SAMPLERS: dict[str, dict[str, str]] = {
    OFF: {},
    CONTROL: {},
    NONE: {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"},
    ALL: {"OTEL_TRACES_SAMPLER": "parentbased_always_on"},
}
BLOCK, ROUNDS, WARM_UP = 320, 60, 3
"""Events of a block, blocks of each process that count, and those before."""

Blocks = dict[str, list[float]]
"""By process the CPU of an event (µs), block by block."""
Measure = Callable[[list[bytes]], float]
"""Returns the CPU (s) that a process took for a block."""
Opened = Callable[[Stack, RedisServer, Scale], AbstractContextManager[Measure]]


def run(scale: Scale) -> Result:
    """Measure the ingress, then the worker."""
    with _collector() as url:
        stacks = [_stack(name, variables, url) for name, variables in _SAMPLERS.items()]
        return _result({"ingress": _by_turns(stacks, scale, _receiving), "worker": _by_turns(stacks, scale, _handling)})


def _stack(name: str, variables: dict[str, str], url: str) -> Stack:
    on = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, **variables} if variables else {}
    # A queue of its own, since all run at once.
    own = {"RINGBACK_NAMESPACE": "".join(filter(str.isalnum, name)), "RINGBACK_KEEP_ALIVE": "600"}
    return replace(RINGBACK_STACK, name=name, variables={**RINGBACK_STACK.variables, **own, **on})


def _by_turns(stacks: list[Stack], scale: Scale, opened: Opened) -> Blocks:
    warm_up, rounds = (1, 2) if scale.quick else (WARM_UP, ROUNDS)
    with ExitStack() as running:
        redis = running.enter_context(redis_server(scale.folder))
        measures = {each.name: running.enter_context(opened(each, redis, scale)) for each in stacks}
        blocks: Blocks = {name: [] for name in measures}
        for turn in range(warm_up + rounds):
            for name in measures if turn % 2 else reversed(measures):
                seconds = measures[name](requests(fresh_ids(BLOCK), received))
                if turn >= warm_up:
                    blocks[name].append(seconds / BLOCK * 1e6)
    return blocks


@contextmanager
def _receiving(stack: Stack, redis: RedisServer, scale: Scale) -> Iterator[Measure]:
    with receiving(stack, redis, scale) as receiver, Connections(receiver.port) as connections:

        def measure(pool: list[bytes]) -> float:
            before = cpu_seconds(receiver.process.pid)
            connections.post(pool)
            return cpu_seconds(receiver.process.pid) - before

        yield measure


@contextmanager
def _handling(stack: Stack, redis: RedisServer, scale: Scale) -> Iterator[Measure]:
    """Let a worker stand still while its queue is filled, as under a load that it cannot keep up with."""
    with (
        receiving(stack, redis, scale) as receiver,
        Connections(receiver.port) as connections,
        working(stack, redis, scale) as worker,
    ):
        # All connections, since the server closes one that says nothing.
        expected = CONNECTIONS
        connections.post(requests(fresh_ids(expected), received))
        wait_for(lambda: handled.count(worker.file) >= expected, worker.process, worker.log)

        def measure(pool: list[bytes]) -> float:
            nonlocal expected
            pid, expected = worker.process.pid, expected + len(pool)
            os.kill(pid, signal.SIGSTOP)
            try:
                connections.post(pool)
                before = cpu_seconds(pid)
            finally:
                os.kill(pid, signal.SIGCONT)
            wait_for(lambda: handled.count(worker.file) >= expected, worker.process, worker.log)
            return cpu_seconds(pid) - before

        yield measure


def _result(sides: dict[str, Blocks]) -> Result:
    lines, figures = list[list[str]](), dict[str, float]()
    for side, blocks in sides.items():
        spreads = {name: _ratio(blocks, name) for name in (CONTROL, NONE, ALL)}
        trace = median(blocks[ALL]) - median(blocks[NONE])
        # At full load a second has a second of CPU, and ten traces.
        share = TRACES_PER_SECOND * trace / 1e6
        spreads[DEFAULT] = tuple(each + share for each in spreads[NONE])
        figures |= {f"{side}, {name}": spread[0] for name, spread in spreads.items()}
        lines.append([side, OFF, f"{median(blocks[OFF]):.1f}", "1", ""])
        for name in (CONTROL, NONE, DEFAULT, ALL):
            ratio, low, high = spreads[name]
            cpu = f"{median(blocks[name]):.1f}" if name in blocks else ""
            lines.append([side, name, cpu, f"{ratio:.3f}", f"{low:.3f} to {high:.3f}"])
    note = (
        f"{len(sides['ingress'][OFF])} blocks of {BLOCK} events each, by turns. The ratio is the median of pairs, with"
        " the limits of its true value (95 %). The control shows what the machine itself does. The default is computed:"
        " that of none sampled, and ten traces a second."
    )
    columns = ("process", "traces", "CPU µs an event", "× off", "95 %")
    return Result([Table("Traces: CPU beside the same process without them", columns, lines, note)], figures)


def _ratio(blocks: Blocks, name: str) -> tuple[float, ...]:
    return median_with_spread([one / off for one, off in zip(blocks[name], blocks[OFF], strict=True)])


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
