"""Lives whose processes are killed, or whose scripts fail, at each of their crash points end as if nothing had been."""

import random
import re
import sys
from collections.abc import Iterator

import pytest

from tests.chaos.crash_points import AT_A_WRITE, OF_EVENT, Point
from tests.chaos.crash_series import LIVES, Outcome, Series, open_series
from tests.chaos.lives import Life

SEED, SEEDS = 21, (21, 22, 23)
PAIRS = 30
LATER_OF_A_REQUEST = re.compile(r" (?!1$)\d+$")
"""Ends the label of a write for the second event of a request, or a later one."""
BY_THE_CLOCK = ("renew", "report", "BLPOP")
"""What a life asks when it takes long, meets trouble, or has to wait. A run that is killed may do none of them."""


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Series]:
    with open_series(tmp_path_factory.mktemp("crash")) as opened:
        yield opened


def report(name: str, outcomes: list[Outcome]) -> None:
    wanted = sum(len(each.points) for each in outcomes)
    killed = sum(len(each.killed) for each in outcomes)
    repaired = sum(each.repaired for each in outcomes)
    sys.stderr.write(f"\n{name}: {wanted} points, {killed} taken, {repaired} counters repaired\n")
    wrong = [str(each) for each in outcomes if each.wrong]
    # A series takes long, so nobody should have to await its end.
    sys.stderr.writelines(f"{each}\n" for each in wrong)
    assert wrong == [], "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.timeout(600)  # some twenty seconds at rest, but it starts sixty processes
def test_lives_end_well_though_killed_at_a_sample_of_their_crash_points(series: Series) -> None:
    choice = random.Random(SEED)
    lives = series.run([(each, ()) for each in LIVES])
    report("undisturbed", lives)
    wanted = [(each.life, (sample(each, choice, at_a_write=i % 2 == 1),)) for i, each in enumerate(lives)]
    outcomes = series.run(wanted)
    report("a sample", outcomes)
    assert [each.killed for each in outcomes] == [points for _, points in wanted]


def sample(undisturbed: Outcome, choice: random.Random, *, at_a_write: bool) -> Point:
    """Choose a point to which each run comes."""
    sure = [each for each in undisturbed.found if is_sure(each, LIVES[undisturbed.life])]
    return choice.choice([each for each in sure if (each.mode in AT_A_WRITE) == at_a_write])


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize("at_a_write", [False, True], ids=["between requests", "at a write"])
def test_a_life_ends_well_though_killed_at_any_of_its_crash_points(
    series: Series, life: str, *, at_a_write: bool
) -> None:
    found = [each for each in series.find(life) if (each.mode in AT_A_WRITE) == at_a_write]
    outcomes = series.run([(life, (each,)) for each in found])
    report(f"{life}, {'at a write' if at_a_write else 'between requests'}", outcomes)
    missed = sorted(set(found).difference(point for each in outcomes for point in each.killed))
    sys.stderr.writelines(f"not reached again: {each}\n" for each in missed)
    assert [each for each in missed if is_sure(each, LIVES[life])] == []


def is_sure(point: Point, life: type[Life]) -> bool:
    """Return whether each run of a life comes to a point, since the event itself needs it at any time."""
    alike = OF_EVENT in point.label and not point.label.startswith(BY_THE_CLOCK) and point.time == 1
    # Events that share a request are more at one run than at the next. Only its first event is in each.
    return alike and (life.most_times > 1 or not LATER_OF_A_REQUEST.search(point.label))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_life_ends_well_though_two_processes_are_killed(series: Series, life: str, seed: int) -> None:
    choice = random.Random(seed)
    points = [each for each in series.find(life) if OF_EVENT in each.label and each.mode != "refused"]
    report(f"{life}, twice, seed {seed}", series.run([(life, pair_of(points, choice)) for _ in range(PAIRS)]))


def pair_of(points: list[Point], choice: random.Random) -> tuple[Point, ...]:
    """Two points, in different processes where the life has several."""
    first = choice.choice(points)
    others = [each for each in points if each.role != first.role] or [each for each in points if each != first]
    return tuple(sorted((first, choice.choice(others))))  # the command and the ingress first, as the life goes
