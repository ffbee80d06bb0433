"""How the throughput of the ingress grows with its processes, which share all cores with Redis and the load."""

import os
from contextlib import ExitStack

from benchmarks.figures import Result, Table, median, median_ratio
from benchmarks.load import CONNECTIONS, send
from benchmarks.machine import cpu_seconds
from benchmarks.redis_server import redis_server
from benchmarks.row import Scale
from benchmarks.rows.ingress import MOST_RATE
from benchmarks.signed_events import fresh_ids, received, requests
from benchmarks.stacks import RINGBACK_STACK, receiving

PROCESSES = (1, 2)


def run(scale: Scale) -> Result:
    """Load an ingress of one process and one of two, by turns."""
    rates: dict[int, list[float]] = {number: [] for number in PROCESSES}
    cpu: dict[int, list[float]] = {number: [] for number in PROCESSES}
    with ExitStack() as running:
        redis = running.enter_context(redis_server(scale.folder, core=None))
        receivers = {
            number: running.enter_context(
                receiving(RINGBACK_STACK, redis, scale, core=None, RINGBACK_INGRESS_PROCESSES=str(number))
            )
            for number in PROCESSES
        }
        for turn in range(scale.rounds + 1):
            pool = requests(fresh_ids(300 if scale.quick else int(MOST_RATE * scale.seconds)), received)
            for number, receiver in receivers.items():
                before = cpu_seconds(receiver.process.pid)
                report = send(pool, receiver.port, seconds=scale.seconds, core=None)
                if turn > 0:  # The first one warms up.
                    rates[number].append(report.rate)
                    cpu[number].append((cpu_seconds(receiver.process.pid) - before) / report.accepted * 1e6)
    lines = [
        [
            str(number),
            f"{median(rates[number]):,.0f}",
            f"{median_ratio(rates[number], rates[1]):.2f} ×",
            f"{median(cpu[number]):.0f}",
        ]
        for number in PROCESSES
    ]
    table = Table(
        f"Processes of the ingress: {CONNECTIONS} connections, every event on disk before its 200",
        ("RINGBACK_INGRESS_PROCESSES", "requests/s", "beside one", "CPU µs"),
        lines,
        f"The ingress, Redis and the load share {os.cpu_count()} cores. CPU is a request's, of all its processes.",
    )
    return Result([table])
