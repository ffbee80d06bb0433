"""All rows, in the order in which they run."""

from benchmarks.row import Row
from benchmarks.rows import (
    fallback,
    fsync,
    growth,
    idle,
    ingress,
    latency,
    memory,
    order,
    pickup,
    processes,
    refusals,
    resume,
    saturated,
    server,
    soak,
    start,
    traces,
    trouble,
    worker,
)

ROWS = {
    row.name: row
    for row in (
        Row("ingress", ingress.run),
        Row("processes", processes.run),
        Row("worker", worker.run),
        Row("pickup", pickup.run),
        Row("latency", latency.run),
        Row("saturated", saturated.run),
        Row("fsync", fsync.run),
        Row("server", server.run),
        Row("fallback", fallback.run),
        Row("idle", idle.run),
        Row("start", start.run),
        Row("refusals", refusals.run),
        Row("memory", memory.run),
        Row("growth", growth.run),
        Row("soak", soak.run, by_default=False),
        Row("order", order.run, by_default=False),
        Row("traces", traces.run, by_default=False),
        Row("resume", resume.run, by_default=False),
        Row("trouble", trouble.run, by_default=False),
    )
}
