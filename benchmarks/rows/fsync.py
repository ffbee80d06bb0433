"""The throughput under `appendfsync always` beside `everysec`."""

from contextlib import ExitStack

from benchmarks.figures import Result, Table, median, median_ratio, percentile
from benchmarks.load import CONNECTIONS, send
from benchmarks.redis_server import redis_server
from benchmarks.row import Scale
from benchmarks.rows.ingress import MOST_RATE
from benchmarks.signed_events import fresh_ids, received, requests
from benchmarks.stacks import RINGBACK_STACK, receiving


def run(scale: Scale) -> Result:
    """Load two ingresses by turns, one on each kind of server."""
    rates: dict[str, list[float]] = {"always": [], "everysec": []}
    tails: dict[str, list[float]] = {"always": [], "everysec": []}
    with ExitStack() as running:
        always = running.enter_context(redis_server(scale.folder, fsync="always"))
        everysec = running.enter_context(redis_server(scale.folder, fsync="everysec"))
        receivers = {
            name: running.enter_context(receiving(RINGBACK_STACK, redis, scale))
            for name, redis in (("always", always), ("everysec", everysec))
        }
        for turn in range(scale.rounds + 1):
            pool = requests(fresh_ids(300 if scale.quick else int(MOST_RATE * scale.seconds)), received)
            for name in receivers if turn % 2 else reversed(receivers):
                report = send(pool, receivers[name].port, seconds=scale.seconds)
                if turn > 0:
                    rates[name].append(report.rate)
                    tails[name].append(percentile(report.latencies, 99) * 1e3)
    ratio = median_ratio(rates["always"], rates["everysec"])
    table = Table(
        f"Durability: {CONNECTIONS} connections",
        ("appendfsync", "requests/s", "p99 ms"),
        [[name, f"{median(rates[name]):,.0f}", f"{median(tails[name]):.1f}"] for name in rates],
        f"always / everysec: {ratio:.2f}",
    )
    return Result([table], {"always / everysec": ratio})
