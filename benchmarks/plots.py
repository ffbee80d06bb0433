"""Plots of a run, as SVG."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.figures import Result

OURS = "#0b6e4f"
OTHERS = ("#7a7a7a", "#b0b0b0", "#545454", "#c9b458", "#8c6d9e", "#5b84b1")
Series = Mapping[str, float]
Drawing = Callable[[Any, Mapping[str, Series]], None]


def draw(folder: Path, results: Mapping[str, Result]) -> dict[str, str]:
    """Write a plot for each kind of series that was measured, and return their titles by file.

    Raises:
        ModuleNotFoundError: matplotlib, of the extra `bench`, is not installed.
    """
    import matplotlib as mpl  # noqa: PLC0415 - a run that draws nothing needs no matplotlib

    mpl.use("svg")
    # Text stays text, and ids are the same in each run, so that a difference shows what was measured.
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "ringback", "font.family": "sans-serif"}
    from matplotlib.figure import Figure  # noqa: PLC0415

    series = {name: each for result in results.values() for name, each in result.series.items()}
    folder.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, str] = {}
    for name, (title, needs, drawing) in PLOTS.items():
        if needs <= series.keys():
            figure = Figure(figsize=(8, 3.6), layout="constrained")
            axes = figure.subplots()
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_title(title, fontsize=11, loc="left")
            drawing(axes, series)
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            drawn[f"{name}.svg"] = title
    return drawn


def _throughput(axes: Any, series: Mapping[str, Series]) -> None:
    _bars(axes, series["throughput"], "requests a second")


def _workers(axes: Any, series: Mapping[str, Series]) -> None:
    _bars(axes, series["worker"], "events a second")


def _bars(axes: Any, values: Series, unit: str) -> None:
    names = list(values)[::-1]
    bars = axes.barh(names, [values[name] for name in names], color=[_colour(name, 0) for name in names])
    axes.bar_label(bars, labels=[f"{values[name]:,.0f}" for name in names], padding=3)
    axes.margins(x=0.12)
    axes.set_xlabel(unit)


def _latency(axes: Any, series: Mapping[str, Series]) -> None:
    """Draw p50 solid and p99 dashed over the rate. An event that never began has no point."""
    for percent, line in (("p50", "-"), ("p99", "--")):
        for place, (name, points) in enumerate(_by_name(series[percent]).items()):
            rates = [int(each) for each in points]
            shown = [value if value != float("inf") else float("nan") for value in points.values()]
            axes.plot(rates, shown, line, marker="o", color=_colour(name, place), label=f"{name}, {percent}")
    axes.set_yscale("log")
    axes.set_xlabel("events a second")
    axes.set_ylabel("request to handler, ms")
    axes.legend(fontsize=7, frameon=False)


def _backlog(axes: Any, series: Mapping[str, Series]) -> None:
    """Draw each operation's cost beside its own cost at the smallest backlog."""
    for name, points in _by_name(series["backlog"]).items():
        first = next(iter(points.values()))
        axes.plot([int(each) for each in points], [each / first for each in points.values()], marker="o", label=name)
    axes.set_xscale("log")
    axes.set_ylim(0, max(1.6, axes.get_ylim()[1]))
    axes.axhline(1.3, color="#c0392b", linewidth=0.8, linestyle=":")
    axes.set_xlabel("open events")
    axes.set_ylabel("cost beside that at 1,000")
    axes.legend(fontsize=7, frameon=False)


def _cpu(axes: Any, series: Mapping[str, Series]) -> None:
    """Draw a bar for each stack, of its parts' CPU."""
    stacks = _by_name(series["cpu"])
    names = list(stacks)[::-1]
    left = [0.0] * len(names)
    for place, part in enumerate(next(iter(stacks.values()))):
        values = [stacks[name][part] for name in names]
        bars = axes.barh(names, values, left=left, color=(OURS, OTHERS[3], OTHERS[5])[place % 3], label=part)
        axes.bar_label(
            bars, labels=[f"{value:,.0f}" for value in values], label_type="center", color="white", fontsize=8
        )
        left = [one + other for one, other in zip(left, values, strict=True)]
    axes.set_xlabel("µs of CPU an event")
    axes.legend(fontsize=7, frameon=False)


def _by_name(points: Series) -> dict[str, dict[str, float]]:
    """Return the points of `<name>|<where>` by name."""
    found: dict[str, dict[str, float]] = {}
    for key, value in points.items():
        name, _, where = key.partition("|")
        found.setdefault(name, {})[where] = value
    return found


def _colour(name: str, place: int) -> str:
    return OURS if name == "Ringback" else OTHERS[place % len(OTHERS)]


PLOTS: dict[str, tuple[str, set[str], Drawing]] = {
    "throughput": ("Ingress: durable events a second, one core", {"throughput"}, _throughput),
    "worker": ("Worker: no-op events a second, one process", {"worker"}, _workers),
    "latency": ("Latency over load: from a request to its handler", {"p50", "p99"}, _latency),
    "backlog": ("Cost over backlog", {"backlog"}, _backlog),
    "cpu": ("Where an event's CPU goes, under full load", {"cpu"}, _cpu),
}
