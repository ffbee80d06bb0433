"""docs/sizing.md computes with what the benchmark has measured."""

import re

import pytest

from service.doctor.server import WITHOUT_BODY
from service.settings.values import seconds
from tests.documented import DOCS

PAGE = (DOCS / "sizing.md").read_text()
UNITS = {"MB": 1e6, "GB": 1e9}


def bytes_of(row: str) -> int:
    [found] = re.findall(rf"^\| {row} \| ([\d,]+) \|", PAGE, re.MULTILINE)
    return int(found.replace(",", ""))


def rows() -> list[tuple[str, ...]]:
    return re.findall(r"^\| `(\d+\w)` \| `(\d+\w)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]}-{row[1]}")
def test_each_cell_follows_from_rate_and_retention(row: tuple[str, ...]) -> None:
    retention, bodies = map(seconds, row[:2])
    an_event = bodies * bytes_of("with its body") + (retention - bodies) * bytes_of("remembered without its body")
    for rate, cell in zip((1, 10, 100), row[2:], strict=True):
        number, unit = cell.split()
        assert float(number) * UNITS[unit] == pytest.approx(rate * an_event, rel=0.05)


def test_the_doctor_computes_with_the_same_bytes() -> None:
    assert len(rows()) == 5
    assert bytes_of("remembered without its body") == WITHOUT_BODY


def test_the_bytes_are_those_that_the_benchmark_has_measured() -> None:
    results = (DOCS.parent / "benchmarks" / "RESULTS.md").read_text()
    for row, stage in (("with its body", "ended, with its body"), ("remembered without its body", "remembered")):
        [measured] = re.findall(rf"an event in Redis, {stage} \| ([\d,]+) bytes", results)
        assert bytes_of(row) == pytest.approx(int(measured.replace(",", "")), rel=0.05)


@pytest.mark.parametrize("event_type", ["message.received", "message.finalized"])
def test_the_ceiling_follows_from_the_cost_that_the_benchmark_has_measured(event_type: str) -> None:
    results = (DOCS.parent / "benchmarks" / "RESULTS.md").read_text()
    _, _, table = results.partition("## Server: CPU an event")
    measured = re.search(rf"^\| {event_type} \| [\d.]+ \| ([\d.]+) \|", table, re.MULTILINE)
    told = re.search(rf"^\| `{event_type}` \| (\d+) \| ([\d,]+) \|$", PAGE, re.MULTILINE)
    assert measured
    assert told
    cost, rate = int(told[1]), int(told[2].replace(",", ""))
    # Runs differ more in time than in bytes.
    assert cost == pytest.approx(float(measured[1]), rel=0.3)
    assert rate == pytest.approx(1e6 / cost, rel=0.02)
