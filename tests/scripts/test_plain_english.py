"""scripts/plain_english.py finds the wording that the writing rules forbid, in every kind of text, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "plain_english.py"

FORBIDDEN = [
    "What dies is started again.",
    "Whoever reads it can forge events.",
    "It takes any URL, be it a wrong one.",
    "A cause of which nothing is known.",
    "A cause that is over is counted no more.",
    "The text goes out as it is.",
    "Work resumes by itself.",
    "It retries, since what was sent may be lost.",
    "Who waited an outage out is not to wait again.",
]
ALLOWED = [
    "Return the answer.",
    "Raise an error that says what to do next.",
    "What is missing?",
    "At most 20, and no more than that.",
    '`what dies` and "by itself" are quotations.',
]

TWENTY = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen " * 2
OTHER_RULES = [
    ("semicolon", "Return the answer; raise otherwise."),
    ("long", f"{' '.join(TWENTY.split()[:21])}."),
    ("metaphor", "The worker was told of it."),
    ("metaphor", "Redis is away."),
    ("metaphor", "Let go of the lease."),
]
NOT_SENTENCES = [
    f"{' '.join(TWENTY.split()[:20])}.",
    f"{' '.join(TWENTY.split()[:19])} `a code span of many words counts once`.",
    f"{' '.join(TWENTY.split()[:12])}.\nThen {' '.join(TWENTY.split()[:12])}.",
    f"- {' '.join(TWENTY.split()[:12])}\n- {' '.join(TWENTY.split()[:12])}",
    f"| {' '.join(TWENTY.split()[:12])} | {' '.join(TWENTY.split()[:12])} |",
    f"[{' '.join(TWENTY.split()[:19])}](a/very/long.md#link) end.",
    "Put the lid away.",
    "`one; two` is code.",
    "```sh\ncd /tmp; ls\n```",
]


def findings(path: Path, text: str) -> tuple[int, str]:
    path.write_text(text)
    ran = subprocess.run([sys.executable, SCRIPT, path], capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout


@pytest.mark.parametrize("sentence", FORBIDDEN)
def test_a_forbidden_sentence_is_found(tmp_path: Path, sentence: str) -> None:
    code, shown = findings(tmp_path / "page.md", f"# Title\n\n{sentence}\n")
    assert (code, ":3: " in shown) == (1, True), shown


@pytest.mark.parametrize(("rule", "sentence"), OTHER_RULES)
def test_each_other_rule_finds_its_sentence(tmp_path: Path, rule: str, sentence: str) -> None:
    code, shown = findings(tmp_path / "page.md", f"# Title\n\n{sentence}\n")
    assert (code, f":3: {rule}: " in shown) == (1, True), shown


@pytest.mark.parametrize("first", ["The answer.", "Whether it is so.", "Seconds left.", "`x` is kept.", "Doing it."])
def test_a_docstring_of_a_function_starts_with_a_verb(tmp_path: Path, first: str) -> None:
    code, shown = findings(tmp_path / "module.py", f'def f() -> None:\n    """{first}"""\n')
    assert (code, ":2: verb first: " in shown) == (1, True), shown


@pytest.mark.parametrize(
    "text", ['class C:\n    """{}"""\n', '@property\ndef f() -> None:\n    """{}"""\n', '"""{}"""\n']
)
def test_other_docstrings_may_start_with_a_noun(tmp_path: Path, text: str) -> None:
    assert findings(tmp_path / "module.py", text.format("The answer.")) == (0, "no finding\n")


@pytest.mark.parametrize("first", ["Return it.", "Pass it on.", "List the events.", "Bring it."])
def test_a_verb_is_accepted(tmp_path: Path, first: str) -> None:
    assert findings(tmp_path / "module.py", f'def f() -> None:\n    """{first}"""\n') == (0, "no finding\n")


def test_a_folder_is_read_whole_and_counted(tmp_path: Path) -> None:
    (tmp_path / "one.lua").write_text("-- Told of it.\n")
    _, shown = findings(tmp_path / "two.py", "# It waits; it is told.\n")
    assert shown.count("\n") == 2
    ran = subprocess.run([sys.executable, SCRIPT, "--count", tmp_path], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("3 in all\n")


@pytest.mark.parametrize("sentence", [*ALLOWED, *NOT_SENTENCES])
def test_an_allowed_sentence_is_left_alone(tmp_path: Path, sentence: str) -> None:
    assert findings(tmp_path / "page.md", f"# Title\n\n{sentence}\n") == (0, "no finding\n")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docstring.py", 'def f() -> None:\n    """Work resumes by itself."""\n'),
        ("comment.py", "x = 1\n# Work resumes\n# by itself.\n"),
        ("message.py", 'x = 1\nlog.error("work resumes by itself")\n'),
        ("script.lua", "local x = 1\n-- Work resumes by itself.\n"),
        ("code.md", "# Title\nWork resumes by itself.\n"),
    ],
)
def test_every_kind_of_text_is_read(tmp_path: Path, name: str, text: str) -> None:
    code, shown = findings(tmp_path / name, text)
    assert (code, shown.count("by itself")) == (1, 1)
