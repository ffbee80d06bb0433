"""The harness of `python -m benchmarks`: what it computes can fail, and a short run works. No test looks at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import handled
from benchmarks.figures import Result, Table, median, median_ratio, percentile, ratio_or_dash
from benchmarks.report import against_targets, to_markdown
from benchmarks.rows.table import ROWS
from benchmarks.signed_events import KEY, RECEIVED_BYTES, Make, failed_rcs, finalized, received, requests, small
from benchmarks.targets import TARGETS, Target, misses
from service import clock
from service.events import read_envelope
from service.security.telnyx_signature import PublicKey, read_signature_headers

ROOT = Path(__file__).parents[1]
ID = "0b9f4a5e-7d0e-4c1a-9d6f-3a3c1a6d1b11"
FASTER = Target("ingress", "throughput", "at least", 3.2, "requests a second", "times")
SOONER = Target("pickup", "p50", "at most", 1.5, "to the handler", "ms")


def test_a_median_is_the_middle_value() -> None:
    assert median([9, 1, 2]) == 2
    assert median([4, 1, 2, 3]) == 2.5


def test_a_median_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        median([])


def test_a_percentile_is_a_measured_value() -> None:
    values = list(range(1, 101))
    assert [percentile(values, percent) for percent in (50, 99, 100)] == [50, 99, 100]
    assert percentile([7], 1) == 7


def test_a_ratio_compares_neighbouring_turns() -> None:
    # A machine that slows down in the middle slows both sides of a turn down.
    assert median_ratio([100, 50, 100], [50, 25, 50]) == 2


def test_a_peer_with_fewer_turns_is_compared_by_the_turns_that_it_had() -> None:
    assert ratio_or_dash([4.0, 9.0, 9.0], [2.0]).startswith("2.00 ")


def test_a_ratio_wants_as_many_turns_on_both_sides() -> None:
    with pytest.raises(ValueError, match="zip"):
        median_ratio([1, 2], [1])


@pytest.mark.parametrize(("target", "value"), [(FASTER, 3.2), (FASTER, 9), (SOONER, 1.5), (SOONER, 0.1)])
def test_a_figure_within_its_limit_is_no_miss(target: Target, value: float) -> None:
    assert misses([target.row], {(target.row, target.figure): value}, [target]) == []


@pytest.mark.parametrize(
    ("target", "value"),
    [(FASTER, 3.19), (SOONER, 1.51), (SOONER, float("inf")), (FASTER, float("nan")), (SOONER, float("nan"))],
)
def test_a_figure_beyond_its_limit_is_named(target: Target, value: float) -> None:
    [line] = misses([target.row], {(target.row, target.figure): value}, [target])
    assert target.row in line
    assert target.what in line
    assert f"{value:.3g}" in line


def test_a_figure_that_was_not_measured_is_a_miss() -> None:
    [line] = misses(["ingress"], {}, [FASTER])
    assert line.endswith("not measured")


def test_targets_of_rows_that_did_not_run_are_left_out() -> None:
    assert misses(["pickup"], {("pickup", "p50"): 1.0}, [FASTER, SOONER]) == []


def test_each_target_belongs_to_a_row() -> None:
    assert {target.row for target in TARGETS} <= set(ROWS)


def test_the_results_in_the_repository_name_every_target_of_the_rows_that_run_by_default() -> None:
    results = (Path(__file__).parents[1] / "benchmarks/RESULTS.md").read_text()
    wanted = [
        f"| {each.row} | {each.what} | {each.bound} {each.limit:g} {each.unit}".rstrip() + " |"
        for each in TARGETS
        if ROWS[each.row].by_default
    ]
    assert [line for line in wanted if line not in results] == []


def test_the_report_says_met_missed_and_not_measured() -> None:
    figures = {"throughput / naive": 3.3, "throughput / limit": 0.5}
    table = against_targets({"ingress": Result([], figures)})
    assert [line[-1] for line in table.lines] == ["met", "missed", "", ""]
    assert [line[-2] for line in table.lines][2:] == ["not measured", "not measured"]


def test_a_table_has_a_cell_for_each_column() -> None:
    lines = to_markdown(Table("Title", ("a", "b"), [["1", "2"]], "A note.")).splitlines()
    assert lines == ["## Title", "", "| a | b |", "|---|---|", "| 1 | 2 |", "", "A note."]


def test_handled_events_give_a_rate_and_the_cpu_of_each(tmp_path: Path) -> None:
    file = tmp_path / "handled"
    file.write_text("a 1000000000 500000000\nb 1500000000 600000000\nc 2000000000 700000000\nd 21")
    noted = handled.read(file)
    assert [each.event_id for each in noted] == ["a", "b", "c"]
    assert handled.rate(noted) == 2
    assert handled.cpu_each(noted) == pytest.approx(0.1)


@pytest.mark.parametrize("make", [received, finalized, failed_rcs, small])
def test_the_load_is_signed_events_that_the_ingress_takes(make: Make) -> None:
    [request] = requests([ID], make)
    head, _, body = request.partition(b"\r\n\r\n")
    headers = [(name, value) for line in head.split(b"\r\n")[1:] for name, _, value in [line.partition(b": ")]]
    read_signature_headers(headers, clock.now()).prove(body, [PublicKey(bytes(KEY.verify_key), "bench")])
    assert read_envelope(body).identity == ID


def test_a_received_message_is_as_large_as_that_of_the_baselines() -> None:
    assert len(received(ID)) == RECEIVED_BYTES


@pytest.mark.slow
def test_a_quick_run_measures_the_ingress_beside_its_peers() -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "ingress"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    for name in ("Ringback", "Starlette + arq", "Express + BullMQ", "verification alone"):
        assert f"| {name} " in run.stdout


def test_a_quick_run_judges_nothing() -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--check"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert "leave --quick out" in run.stderr
