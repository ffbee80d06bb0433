"""scripts/mutants changes the code in one place, and tells whether a test notices it."""

from pathlib import Path

import pytest
from coverage import CoverageData

from scripts.mutation.__main__ import chosen, explained, jobs_of, report, run, sources
from scripts.mutation.covering_tests import Coverage, place_then
from scripts.mutation.forked_runs import Ended
from scripts.mutation.judging import Job, Judge, Judgement
from scripts.mutation.lua_probes import PROBE, reached, statement_at, with_probes
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
        ("x = 60", {"x = 120", "x = 30", ""}),
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


def test_no_slip_of_a_script_is_one_that_lua_reads_alike() -> None:
    assert lines(".lua", "local x = t:sub(1, 1)") == {
        "local x = t:sub(2, 1)",
        "local x = t:sub(1, 2)",
        "local x = t:sub(1, 0)",
    }
    assert lines(".lua", "local x = t:find(w, 1)") == {"local x = t:find(w, 2)"}
    assert lines(".lua", "local x = f(1)") == {"local x = f(2)", "local x = f(0)"}


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
        ("with f(transaction=False): ...", set()),
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


START = b"local a = 1\nif a == 1 then\n  a = 2\nelse a = 3 end\nreturn a\n"


def test_the_innermost_statement_around_a_change_is_the_one_that_has_to_run() -> None:
    found = {each.start: statement_at(START, each.start, each.end) for each in mutants("a.lua", START)}
    assert found[START.index(b"1")] == 0
    assert found[START.index(b"==")] == START.index(b"if")
    assert found[START.index(b"3")] == START.index(b"a = 3")


def test_each_statement_gets_a_probe_whose_mark_is_read_back() -> None:
    probed = with_probes("lib/a.lua", START).decode()
    assert [int(each.partition("'")[0]) for each in probed.split("lib/a.lua:")[1:]] == [
        START.index(each) for each in (b"local", b"if", b"a = 2", b"a = 3", b"return")
    ]
    assert with_probes("lib/start.lua", START).startswith(PROBE.encode())
    assert reached("1:M 27 Nov # reached-statement lib/a.lua:12\n1:M 27 Nov # Ready") == {"lib/a.lua:12"}


def test_a_place_is_found_again_after_other_lines_have_changed() -> None:
    now = b"-- one more\n" + START.replace(b"a = 2", b"a = 4")
    for text in (b"local a", b"a == 1", b"else", b"return"):
        assert place_then(now.index(text), now, START) == START.index(text)
    assert place_then(3, START, START) == 3


def coverage_of(seconds: dict[str, float]) -> Coverage:
    return Coverage(CoverageData(no_disk=True), seconds, {f"{SCRIPT}:0": set(seconds), "a.lua:0": set()})


def test_near_and_quick_tests_judge_first_and_further_cases_of_a_function_later() -> None:
    seconds = {
        "tests/cli/a::far": 0.96,
        "tests/store/a::near[1]": 2.0,
        "tests/store/a::near[2]": 2.9,
        "tests/store/a::slow": 9.0,
    }
    assert coverage_of(seconds).of(Mutant(SCRIPT, 0, 0, ""), b"") == [
        "tests/store/a::near[1]",
        "tests/cli/a::far",
        "tests/store/a::near[2]",
        "tests/store/a::slow",
    ]


def test_the_tests_of_a_mutant_end_where_they_take_too_long() -> None:
    coverage = coverage_of({"tests/store/a": 3.0, "tests/store/b": 4.0, "tests/store/c": 5.0})
    texts = {SCRIPT: b""}
    assert [len(jobs_of([Mutant(SCRIPT, 0, 0, "")], texts, coverage, most)[0].tests) for most in (1, 5, 0)] == [1, 2, 3]


def test_a_sample_has_each_file_and_then_most_of_the_files_that_have_most() -> None:
    texts = sources(["service/security", "service/store/effects"])
    sample = chosen(texts, seed=7, sample=60)
    assert sample == chosen(texts, seed=7, sample=60) != chosen(texts, seed=8, sample=60)
    assert {each.file for each in sample} == {file for file, source in texts.items() if mutants(file, source)}
    large = "service/security/masking.py"
    share = len(mutants(large, texts[large])) / len(chosen(texts, seed=7, sample=0))
    assert abs(sum(each.file == large for each in sample) - 60 * share) < 5


MUTANT = Mutant(SCRIPT, 0, 0, "")


def judged(tests: list[str], *, mutated: dict[str, str], unchanged: frozenset[str] = frozenset()) -> Judgement:
    """Judge a mutant. `mutated` says how tests end with it, run by run. `unchanged` fail without."""

    def run(mutant: Mutant | None, asked: list[str]) -> Ended:
        for test in asked:
            if mutant is None and test in unchanged:
                return Ended("failed", test)
            if mutant is not None and mutated.get(test):
                how, _, mutated[test] = mutated[test].partition(" ")
                if how != "passed":
                    return Ended(how, test)
        return Ended("passed", "")

    return Judge(run).judge(Job(0, MUTANT, tests))


def test_a_failure_counts_only_where_the_test_passes_without_the_mutant() -> None:
    assert judged(["a", "b"], mutated={"b": "failed"}).test == "b"
    assert judged(["a", "b"], mutated={"b": "failed"}, unchanged=frozenset("b")).result == "survived"
    assert judged(["a", "b"], mutated={"a": "failed", "b": "failed"}, unchanged=frozenset("a")).test == "b"


def test_what_looks_like_a_time_out_has_to_come_twice() -> None:
    assert judged(["a"], mutated={"a": "hung hung"}).result == "killed"
    assert judged(["a", "b"], mutated={"a": "hung passed", "b": "failed"}).test == "b"
    assert judged(["a"], mutated={"a": "hung passed"}).result == "survived"


def test_a_test_that_noticed_a_mutant_of_the_file_is_asked_first() -> None:
    asked: list[list[str]] = []

    def run(mutant: Mutant | None, tests: list[str]) -> Ended:
        asked.append(tests)
        return Ended("passed", "") if mutant is None else Ended("failed", "c")

    judge = Judge(run)
    for number in range(2):
        judge.judge(Job(number, MUTANT, ["a", "b", "c"]))
    assert asked == [["a", "b", "c"], ["a", "b", "c"], ["c", "a", "b"]]


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
    changed = [(sum_of_one, BUDGET), (kept_longer, BUDGET), (unmasked, MASKING)]
    jobs = [Job(number, mutant, tests) for number, (mutant, tests) in enumerate(changed)]
    judgements = run(jobs, {}, file=tmp_path / "jobs")
    assert {number: each.result for number, each in judgements.items()} == {0: "killed", 1: "survived", 2: "killed"}
    assert judgements[0].test == BUDGET[0]
    assert not report(jobs, judgements, sources([SCRIPT, MODULE]))
    told = capsys.readouterr().out
    assert f"survived, 2 tests: {SCRIPT}:" in told
    assert "all: 66.7% of 3" in told
