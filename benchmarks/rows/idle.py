"""The cost of a worker without work."""

import time
from collections import Counter
from contextlib import ExitStack

from benchmarks.figures import Result, Table
from benchmarks.machine import cpu_seconds
from benchmarks.open_loop import warm_up
from benchmarks.redis_server import monitored, redis_server
from benchmarks.row import Scale
from benchmarks.stacks import RINGBACK_STACK, receiving, working

SETTLE_SECONDS = 2.0
SECONDS = 8.0


def run(scale: Scale) -> Result:
    """Let a worker idle beside nothing but its Redis."""
    seconds = 1.0 if scale.quick else SECONDS
    with ExitStack() as running:
        redis = running.enter_context(redis_server(scale.folder, core=None))
        worker = running.enter_context(working(RINGBACK_STACK, redis, scale, core=None))
        with receiving(RINGBACK_STACK, redis, scale, core=None) as receiver:
            warm_up(receiver, worker)
        time.sleep(SETTLE_SECONDS)
        with monitored(redis) as commands:
            before = cpu_seconds(worker.process.pid)
            time.sleep(seconds)
            cpu = (cpu_seconds(worker.process.pid) - before) / seconds * 100
    # A client names itself when it connects, as the one that ends the monitoring does.
    asked = [verb for each in commands if not each.in_script and (verb := each.words.split(" ")[0]) != "CLIENT"]
    shown = ", ".join(f"{count} {name}" for name, count in Counter(asked).most_common())
    table = Table(
        "Idle worker",
        ("", ""),
        [["CPU", f"{cpu:.2f} % of a core"], ["requests a second", f"{len(asked) / seconds:.1f}"]],
        f"In {seconds:.0f} s: {shown or 'none'}. Commands within scripts do not count.",
    )
    return Result([table], {"cpu": cpu, "requests": len(asked) / seconds})
