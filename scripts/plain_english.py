"""Find the wording that rule 5 of CONTRIBUTING.md forbids: clauses as subjects, and a few phrases.

Reads docstrings, comments, help, log lines and errors of Python files, comments of Lua files, and Markdown pages.
Prints each finding as `path:line: phrase: text`. The exit code is 1 where there is one.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
START = r"(?:\A|\n[ \t]*\n|[.!?:;][ \n]|\n[ \t]*(?:[-*#>|]|\d+\.)[ \t])[-*#>\s\"'(\[]*"
"""A sentence begins with a text, a paragraph, a list item or a heading, or after the end of another."""
CLAUSES = (
    rf"{START}(?P<found>(?:What|Whatever)\b(?!')[^.?!\n|]*[^.?!]*(?![^.!?]*\?))",
    rf"{START}(?P<found>Who (?!asks\b)[^.?!]*[.!\n|])",
    r"\b(?:because|since|that|until|:|;) (?P<found>what(?:ever)? (?:is|was|are|has|had|they|it|we|you|no|a|the)\b)",
)
PHRASES = (
    r"\bwhoever\b",
    r"\bbe it\b",
    r"\bof which\b",
    r"\bno more\b(?! than)",
    r"(?<!far )(?<!soon )(?<!long )\bas (?:it|they) (?:is|are|was|were|stands?)\b",
    r"\bby (?:itself|themselves)\b",
    r"\bis amiss\b",
    r"\bbe they\b",
)
RULES = [re.compile(each, re.IGNORECASE) for each in PHRASES] + [re.compile(each) for each in CLAUSES]
QUOTES = re.compile(r"```.*?```|``?[^`\n]*``?|\"[^\"\n]*\"", re.DOTALL)


class Text(NamedTuple):
    """A piece of prose, and the line of its file at which it begins."""

    line: int
    words: str


def main() -> int:
    """Print every finding in the files that git knows, or in the ones that are named; return the exit code."""
    named = [Path(each).resolve() for each in sys.argv[1:]]
    findings = [line for path in named or _tracked() for line in check(path)]
    print("\n".join(findings) or "no finding")
    return 1 if findings else 0


def check(path: Path) -> list[str]:
    """Return the findings in one file."""
    texts = {".py": _python, ".lua": _lua, ".md": _markdown}[path.suffix](path.read_text())
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return [f"{shown}:{line}: {words}" for text in texts for line, words in _findings(text)]


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.lua", "*.md"],  # noqa: S607 - whichever git is there
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / each for each in listed.stdout.split() if not each.startswith("tests/")]


def _findings(text: Text) -> Iterator[tuple[int, str]]:
    # Code and quotations keep their place, so that positions still give lines, and lose their words.
    prose = QUOTES.sub(lambda quote: re.sub(r"[^\n]", "_", quote.group()), text.words)
    matches = (each for rule in RULES for each in rule.finditer(prose))
    found = {each.span("found" if "found" in each.re.groupindex else 0) for each in matches}
    for start, end in sorted(found):
        yield text.line + prose.count("\n", 0, start), " ".join(prose[start:end].split())[:70]


def _python(source: str) -> Iterator[Text]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield Text(node.lineno, node.value)
    yield from _comments((token.start[0], token.string[1:]) for token in _comment_tokens(source))


def _comment_tokens(source: str) -> Iterator[tokenize.TokenInfo]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return (token for token in tokens if token.type == tokenize.COMMENT and "noqa" not in token.string)


def _lua(source: str) -> Iterator[Text]:
    lines = enumerate(source.splitlines(), start=1)
    yield from _comments((at, line.split("--", 1)[1]) for at, line in lines if "--" in line)


def _comments(lines: Iterator[tuple[int, str]]) -> Iterator[Text]:
    """Join comments of lines that follow each other: a sentence may go over several."""
    first, last, words = 0, -1, ""
    for at, comment in lines:
        if at != last + 1:
            if words:
                yield Text(first, words)
            first, words = at, ""
        words, last = f"{words}\n{comment.strip()}" if words else comment.strip(), at
    if words:
        yield Text(first, words)


def _markdown(source: str) -> Iterator[Text]:
    yield Text(1, source)


if __name__ == "__main__":
    sys.exit(main())
