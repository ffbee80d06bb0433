"""The report of a run: tables on the terminal, and RESULTS.md."""

import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.figures import Result, Table
from benchmarks.machine import describe
from benchmarks.plots import draw
from benchmarks.stacks import node_packages
from benchmarks.targets import TARGETS, Target

HEAD = """# Results

`python -m benchmarks` wrote this page. It measured each row side by side in one run, by turns. Figures are medians.
Ratios are of neighbouring turns. They say more than the figures themselves, which differ from machine to machine.
"""


def print_tables(result: Result) -> None:
    """Print the tables of one row."""
    print("\n\n".join(to_markdown(table, padded=True) for table in result.tables), flush=True)


def write_results(folder: Path, results: Mapping[str, Result]) -> None:
    """Write RESULTS.md, and the plots beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    plots = draw(folder / "plots", results)
    sections = [
        HEAD,
        f"Measured {time.strftime('%Y-%m-%d', time.gmtime())} on:\n",
        to_markdown(Table("", ("what", "value"), [[*each] for each in {**describe(), **node_packages()}.items()])),
        to_markdown(against_targets(results)),
        *(f"![{title}](plots/{name})\n" for name, title in plots.items()),
        *(to_markdown(table) for result in results.values() for table in result.tables),
    ]
    (folder / "RESULTS.md").write_text("\n".join(sections))


def against_targets(results: Mapping[str, Result]) -> Table:
    """Return the table of targets with what was measured beside each."""
    lines = [_compared(target, results[target.row].figures) for target in TARGETS if target.row in results]
    return Table("Targets", ("row", "what", "target", "measured", ""), lines)


def _compared(target: Target, figures: Mapping[str, float]) -> list[str]:
    value = figures.get(target.figure)
    wanted = f"{target.bound} {target.limit:g} {target.unit}".rstrip()
    if value is None:
        return [target.row, target.what, wanted, "not measured", ""]
    met = "met" if target.is_met(value) else "missed"
    return [target.row, target.what, wanted, f"{value:.3g} {target.unit}".rstrip(), met]


def to_markdown(table: Table, *, padded: bool = False) -> str:
    """Return a table in Markdown. `padded` aligns its columns for a terminal."""
    rows = [[*table.columns], *([*line] for line in table.lines)]
    widths = [max(len(row[at]) for row in rows) if padded else 0 for at in range(len(table.columns))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2 if padded else 3) for width in widths) + "|")
    title = [f"## {table.title}", ""] if table.title else []
    return "\n".join([*title, *lines, *(["", table.note] if table.note else []), ""])
