"""scripts/plain_english.py finds the wording that rule 5 forbids, in every kind of text, and leaves the rest alone."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "plain_english.py"

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


def findings(path: Path, text: str) -> tuple[int, str]:
    path.write_text(text)
    ran = subprocess.run([sys.executable, SCRIPT, path], capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout


@pytest.mark.parametrize("sentence", FORBIDDEN)
def test_a_forbidden_sentence_is_found(tmp_path: Path, sentence: str) -> None:
    code, shown = findings(tmp_path / "page.md", f"# Title\n\n{sentence}\n")
    assert (code, ":3: " in shown) == (1, True), shown


@pytest.mark.parametrize("sentence", ALLOWED)
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
