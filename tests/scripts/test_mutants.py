"""scripts/mutants changes the code in one place, and tells whether a test notices it."""

from pathlib import Path

import pytest
from coverage import CoverageData

from scripts.mutation.__main__ import explained, report, run, sources
from scripts.mutation.covering_tests import Coverage
from scripts.mutation.forked_runs import Job
from scripts.mutation.mutants import Mutant, mutants

SCRIPT, MODULE = "service/store/lua/lib/budget.lua", "service/security/masking.py"
BUDGET = [
    "tests/store/test_sms_budget.py::test_segments_are_given_until_there_are_none",
    "tests/store/test_sms_budget.py::test_nothing_of_it_stays_for_ever",
]
MASKING = ["tests/security/test_masking.py::test_a_command_keeps_its_ids_and_loses_its_numbers"]


def lines(kind: str, text: str) -> set[str]:
    source = text.encode()
    return {" ".join(each.applied(source).decode().split()) for each in mutants(f"a{kind}", source)}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("local x = a == b", {"local x = a ~= b"}),
        ("if a < 3 then b() end", {"if a <= 3 then b() end", "if a < 4 then b() end", "if a < 3 then end"}),
        ("if a then b() end", {"if not (a) then b() end", "if a then end"}),
        ("local x = a and b", {"local x = a or b", "local x = (a)", "local x = (b)"}),
        ("while true do x = 1 break end", {"while false do x = 1 break end", "while true do x = 1 end"}),
        ("local function f() return 1 end", {"local function f() end", "local function f() return 0 end"}),
        ("-- a == 1", set()),
        ("f('a == 1')", {""}),
    ],
)
def test_a_script_gets_the_slips_of_its_author(text: str, wrong: set[str]) -> None:
    found = lines(".lua", text)
    assert wrong <= found
    assert bool(wrong) == bool(found)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("return a is not b", {"return a is b", "return None"}),
        ("if a not in b: f(1)", {"if a in b: f(1)", "if not (a not in b): f(1)", "if a not in b: f(2)"}),
        ("return a or b", {"return a and b", "return (a)", "return (b)"}),
        ("x[1] = True", {"pass", "x[0] = True", "x[1] = False"}),
        ("raise E", {"pass"}),
        ("await f()", {"pass"}),
        ("x = f()", set()),
        ("'''a == 1'''", set()),
        ("x: int | None", set()),
        ("for x in zip(a, b, strict=True): ...", set()),
    ],
)
def test_a_function_gets_the_slips_of_its_author(text: str, wrong: set[str]) -> None:
    found = lines(".py", f"def f(a: int = 3) -> None:\n    {text}\n")
    assert {f"def f(a: int = 3) -> None: {each}" for each in wrong} <= found
    assert bool(wrong) == bool(found)


def test_a_change_keeps_the_lines_of_the_functions_below_it() -> None:
    source = b"def f():\n    g(1,\n      2)\n    return (a and\n            b)\n\ndef h(): ...\n"
    changed = [each.applied(source) for each in mutants("a.py", source)]
    assert len(changed) > 5
    assert all(each.split(b"\n")[6] == b"def h(): ..." for each in changed)


def test_all_mutants_of_the_product_can_be_compiled() -> None:
    for file, source in sources(["service/security", "service/outbound"]).items():
        for mutant in mutants(file, source)[::7]:
            compile(mutant.applied(source), file, "exec")


def test_each_explained_mutant_is_one_of_today() -> None:
    texts = sources(sorted({file for file, _, _ in explained()}))
    today = {(file, *each.lines(source)) for file, source in texts.items() for each in mutants(file, source)}
    assert explained().keys() <= today
    assert all(explained().values())


def test_the_tests_that_do_least_beside_judge_first() -> None:
    calls = {"sms_budget": {"busy", "focused", "slow"}, "accept": {"busy"}, "claim": {"busy", "elsewhere"}}
    coverage = Coverage(CoverageData(no_disk=True), {"busy": 1.0, "focused": 1.0, "slow": 2.0, "elsewhere": 1.0}, calls)
    assert coverage.of(Mutant(SCRIPT, 0, 0, ""), b"")[:3] == ["focused", "slow", "busy"]


def mutant_of(file: str, after: str) -> Mutant:
    [(_, source)] = sources([file]).items()
    [found] = [each for each in mutants(file, source) if each.lines(source)[1] == after]
    return found


@pytest.mark.slow
def test_what_the_tests_notice_is_killed_and_the_rest_survives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sum_of_one = mutant_of(
        SCRIPT,
        "if sum then redis.call('HSET', SEGMENTS, 'sum', sum - segments, effect, segments) end",
    )
    kept_longer = mutant_of(SCRIPT, "redis.call('PEXPIRE', SENDS, window * 3)")
    unmasked = mutant_of(MODULE, "return _E164.sub(lambda match: mask_number(match[1]), text)")
    changed = [(sum_of_one, BUDGET), (kept_longer, BUDGET), (unmasked, MASKING), (None, BUDGET), (None, MASKING)]
    jobs = [Job(number, mutant, tests, 5.0) for number, (mutant, tests) in enumerate(changed)]
    results = run(jobs, processes=2, file=tmp_path / "jobs")
    assert results == {0: "killed", 1: "survived", 2: "killed", 3: "survived", 4: "survived"}
    assert not report(jobs, results, sources([SCRIPT, MODULE]))
    told = capsys.readouterr().out
    assert f"survived, 2 tests: {SCRIPT}:" in told
    assert "score 66.7% of 3" in told
    assert "2 controls passed" in told
