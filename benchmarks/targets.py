"""The targets, each a row of the table that `--check` compares with what was measured.

A ratio is of two things measured in the same run, one after the other. Times, sizes and counts are taken alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Target:
    """A limit on one figure of one row. `what` says it in words, `unit` follows the figure."""

    row: str
    figure: str
    bound: Literal["at least", "at most"]
    limit: float
    what: str
    unit: str = ""

    def is_met(self, value: float) -> bool:
        """Return whether a measured value keeps to the limit. No number (NaN) does not."""
        return value >= self.limit if self.bound == "at least" else value <= self.limit


TARGETS = (
    Target("ingress", "throughput / naive", "at least", 3.2, "requests a second beside naive Starlette + arq", "×"),
    Target("ingress", "throughput / limit", "at least", 0.85, "requests a second beside verification alone", "×"),
    Target("ingress", "cpu limit / cpu", "at least", 0.95, "CPU of verification alone beside ours, a request", "×"),
    Target("ingress", "throughput / express", "at least", 3.0, "requests a second beside Express + BullMQ", "×"),
    Target("worker", "rate / bullmq", "at least", 1.2, "no-op events a second beside BullMQ (concurrency 100)", "×"),
    Target("worker", "rate / arq", "at least", 5.0, "no-op events a second beside arq's best settings", "×"),
    Target("pickup", "p50", "at most", 1.5, "request to handler at 25 events a second, p50", "ms"),
    Target("pickup", "p99", "at most", 6.0, "request to handler at 25 events a second, p99", "ms"),
    Target("latency", "p50 at 1000", "at most", 1.5, "request to handler at 1,000 events a second, p50", "ms"),
    Target("latency", "p99 at 1000", "at most", 8.0, "request to handler at 1,000 events a second, p99", "ms"),
    Target(
        "saturated", "handled / accepted", "at least", 0.98, "events handled of those accepted under full load", "×"
    ),
    Target("fsync", "always / everysec", "at least", 0.9, "requests a second, fsync always beside everysec", "×"),
    Target("growth", "accept", "at most", 1.3, "server's cost of accept at 10⁶ open events beside 10³", "×"),
    Target("growth", "claim", "at most", 1.3, "server's cost of claim at 10⁶ open events beside 10³", "×"),
    Target("growth", "finish", "at most", 1.3, "server's cost of finish at 10⁶ open events beside 10³", "×"),
    Target("growth", "search", "at most", 1.3, "time of a search at 10⁶ open events beside 10³", "×"),
    Target(
        "growth", "events list", "at most", 1.3, "time of `ringback events list` at 10⁶ open events beside 10³", "×"
    ),
    Target("memory", "ingress", "at most", 60, "memory of the ingress under load", "MB"),
    Target("memory", "worker", "at most", 140, "memory of the worker under load", "MB"),
    Target("memory", "remembered", "at most", 200, "record of a remembered event, beside its id", "bytes"),
    Target("start", "ingress", "at most", 0.7, "start of `ringback ingress` to its first answer", "s"),
    Target("start", "up", "at most", 2.5, "start of `ringback up` to its first handled event", "s"),
    Target("server", "accept message.received", "at most", 25, "server's CPU an accept of message.received", "µs"),
    Target("server", "accept message.finalized", "at most", 35, "server's CPU an accept of message.finalized", "µs"),
    Target("server", "whole event", "at most", 60, "server's CPU of a whole no-op event", "µs"),
    Target("server", "worker requests", "at most", 2, "requests of the worker an event", ""),
    Target("fallback", "before the POST", "at most", 5, "round trips of a fallback before its POST", ""),
    Target("fallback", "in all", "at most", 10, "round trips of a fallback in all", ""),
    Target("fallback", "commands in scripts", "at most", 70, "commands in scripts of a fallback", ""),
    Target("fallback", "cpu", "at most", 2, "worker's CPU of a fallback", "ms"),
    Target("idle", "cpu", "at most", 0.5, "CPU of an idle worker", "% of a core"),
    Target("idle", "requests", "at most", 3, "requests a second of an idle worker", ""),
    Target("traces", "ingress, on, at most 10 a second (default)", "at most", 1.03, "CPU of a traced webhook", "×"),
    Target("traces", "worker, on, at most 10 a second (default)", "at most", 1.03, "CPU of a traced event", "×"),
    Target("order", "by number, 1,000 numbers", "at least", 0.9, "events a second in order, beside without order", "×"),
    Target("order", "by number, a number each", "at least", 0.9, "the same, where no two events share a number", "×"),
    Target("trouble", "p99.9", "at most", 100, "answer at 500/s under trouble, p99.9", "ms"),
    Target("trouble", "p100", "at most", 2000, "answer at 500/s under trouble, the slowest", "ms"),
    Target("trouble", "failed", "at most", 0, "webhooks at 500/s under trouble that were refused or not answered"),
    Target(
        "refusals", "worst / accepted", "at most", 3, "ingress's CPU of a refused request beside an accepted one", "×"
    ),
)


def misses(
    rows: Iterable[str], figures: Mapping[tuple[str, str], float], targets: Iterable[Target] = TARGETS
) -> list[str]:
    """Return a line for each target of these rows that was missed or not measured."""
    wanted = set(rows)
    return [
        line
        for target in targets
        if target.row in wanted and (line := _miss(target, figures.get((target.row, target.figure))))
    ]


def _miss(target: Target, value: float | None) -> str | None:
    name = f"{target.row}: {target.what}: {target.bound} {target.limit:g} {target.unit}".rstrip()
    if value is None:
        return f"{name}, not measured"
    return None if target.is_met(value) else f"{name}, measured {value:.3g}"
