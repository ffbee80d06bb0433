"""Find wording that the writing rules of CONTRIBUTING.md forbid, in Python, Lua and Markdown files.

Usage: `plain_english.py [--count] [PATH ...]`. Without a path all files of the repository outside tests are checked.
`--count` prints numbers of findings by package and rule.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
MAX_WORDS = 20

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
METAPHORS = (
    r"aside|doubtful|patience",
    r"hear(?:s|d|ing)?|told|tells?\sof|stor(?:y|ies)",
    r"let(?:s|ting)? go|g[ai]v(?:e|es|en|ing) up",
    r"(?:condemn|absol[uv]|insist|heed)\w*|mend(?:s|ed|ing)?",
    r"(?:blame|hindrance|verdict|witness|courier|stranger|fate|wish)(?:s|es|d)?",
    r"(?:is|are|was|were|be|been|being|stays?|goes|went|while) away",
)
"""Figurative words, and words that the glossary replaces."""
NOT_VERBS = re.compile(
    "a|an|the|this|these|those|that|such|some|any|all|both|each|every|either|neither|no|none|one|two|three|another|"
    "its?|they|their|he|she|we|our|you|your|i|my|who|whose|which|what|whether|where|when|why|how|if|because|since|"
    "as|at|by|for|from|in|into|like|of|on|only|out|over|per|to|under|until|up|with|without|and|or|not|also|"
    "true|false|everything|nothing|something|everybody|somebody|done|written|plain|simulated|known|whole|"
    "arq|telnyx|redis|event|handler|number|text|path|port|value|key|field",
    re.IGNORECASE,
)
VERBS_IN_S = ("pass", "process", "press", "guess", "miss", "address", "compress", "cross", "focus", "discuss")
VERBS_IN_ING = ("bring", "ping")
EXEMPT_DECORATORS = ("property", "fixture", "setter", "getter")

FENCES = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"``?[^`\n]*``?|\"[^\"\n]*\"")
LINK_TARGETS = re.compile(r"(?<=\])\([^()\s]*\)")
BLOCKS = re.compile(r"\n[ \t]*\n|\n[ \t]*(?=(?:[-*+>#├└│]+|\d+\.)[ \t]|[├└]|(?:[A-Z]\w*|telnyx\.\w+):[ \t\n])|\|")
"""Paragraphs, list items, headings, entries such as `ValueError: …` and the cells of a table end a sentence."""
SENTENCES = re.compile(r"(?<=[.!?])[\"')\]*]*\s+(?=[^a-z\s])")
LUA_LISTS = re.compile(r"^(?:requires|Keys|ARGV|Answer):.*(?:\n\s{2,}.*)*", re.MULTILINE)
"""Parts of a script's head that list names and not sentences."""


class Text(NamedTuple):
    """A piece of prose, and the line of its file at which it begins."""

    line: int
    words: str
    function: bool = False
    """Whether it is the docstring of a function."""
    data: bool = False
    """Whether it is a list or a template of several lines, which only rule 5 checks."""


class Finding(NamedTuple):
    """A place in a text that breaks a rule."""

    line: int
    rule: str
    words: str


def main() -> int:
    """Print the findings. Return 1 if there is one."""
    arguments = [each for each in sys.argv[1:] if each != "--count"]
    named = [file for each in arguments for file in _files(Path(each).resolve())]
    found = [(path, finding) for path in named or _tracked() for finding in check(path)]
    if "--count" in sys.argv:
        _print_counts(found)
        return 0
    lines = [f"{_shown(path)}:{each.line}: {each.rule}: {each.words}" for path, each in found]
    print("\n".join(lines) or "no finding")
    return 1 if found else 0


def check(path: Path) -> list[Finding]:
    """Return the findings in one file by all rules."""
    texts = {".py": _python, ".lua": _lua, ".md": _markdown}[path.suffix](path.read_text())
    return sorted(finding for text in texts for finding in _findings(text))


def _print_counts(found: list[tuple[Path, Finding]]) -> None:
    counts: Counter[str] = Counter()
    rules: dict[str, Counter[str]] = {}
    for path, finding in found:
        name = _package(path)
        counts[name] += 1
        rules.setdefault(name, Counter())[finding.rule] += 1
    for name, count in sorted(counts.items()):
        print(f"{count:5} {name}: " + ", ".join(f"{rule} {n}" for rule, n in rules[name].most_common()))
    print(f"{counts.total():5} in all")


def _package(path: Path) -> str:
    parts = _shown(path).parts
    depth = 3 if parts[:2] in {("service", "store"), ("service", "testing")} else 2
    return "/".join(parts[:-1][:depth]) or "/".join(parts)


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _files(path: Path) -> list[Path]:
    suffixes = {".py", ".lua", ".md"}
    return [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.suffix in suffixes)


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py", "*.lua", "*.md"],  # noqa: S607 - whichever git is there
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / each for each in listed.stdout.split() if not each.startswith("tests/")]
    return [each for each in paths if each.exists()]


def _findings(text: Text) -> Iterator[Finding]:
    # Masked text keeps its length and its lines, so that positions still give lines.
    unfenced = FENCES.sub(lambda fence: re.sub(r"[^\n]", " ", fence.group()), text.words)
    prose = CODE.sub(lambda code: re.sub(r"[^\n]", "_", code.group()), unfenced)
    prose = LINK_TARGETS.sub(lambda target: " " * len(target.group()), prose)
    if text.function and not _starts_with_verb(text.words):
        yield Finding(text.line, "verb first", _brief(text.words))
    for rule, pattern in PATTERNS[: len(RULE_5)] if text.data else PATTERNS:
        for match in pattern.finditer(prose):
            start, end = match.span("found" if "found" in pattern.groupindex else 0)
            yield Finding(text.line + prose.count("\n", 0, start), rule, _brief(text.words[start:end]))
    for start, sentence in _sentences("" if text.data else prose):
        count = sum(bool(re.search(r"\w", each)) for each in sentence.split())
        if count > MAX_WORDS:
            words = text.words[start : start + len(sentence)]
            yield Finding(text.line + prose.count("\n", 0, start), "long", f"({count} words) {_brief(words)}")


RULE_5 = [
    *(("rule 5", re.compile(each, re.IGNORECASE)) for each in PHRASES),
    *(("rule 5", re.compile(each)) for each in CLAUSES),
]
PATTERNS = [
    *RULE_5,
    *(("metaphor", re.compile(rf"\b(?:{each})\b", re.IGNORECASE)) for each in METAPHORS),
    ("semicolon", re.compile(r"(?P<found>\S+;)(?=\s+\w)")),
]


def _brief(words: str) -> str:
    return " ".join(words.split())[:70]


def _sentences(prose: str) -> Iterator[tuple[int, str]]:
    for start, block in _split(BLOCKS, prose):
        for offset, sentence in _split(SENTENCES, block):
            stripped = sentence.lstrip()
            yield start + offset + len(sentence) - len(stripped), stripped


def _split(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for match in pattern.finditer(text):
        yield start, text[start : match.start()]
        start = match.end()
    yield start, text[start:]


def _starts_with_verb(docstring: str) -> bool:
    first = (docstring.split() or [""])[0].rstrip(".,:;!?")
    if not first.isalpha() or (len(first) > 1 and first.isupper()) or NOT_VERBS.fullmatch(first):
        return False
    word = first.lower()
    if word.endswith("ing"):
        return word in VERBS_IN_ING
    return not word.endswith("s") or word in VERBS_IN_S


def _python(source: str) -> Iterator[Text]:
    tree = ast.parse(source)
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    docstrings = {id(node.body[0].value) for node in ast.walk(tree) if _has_verb_docstring(node)}  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            words = "".join(_f_string(node))
            yield from _if_prose(node.lineno, words, data="\n" in words)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            if id(node) in docstrings:
                yield Text(node.lineno, node.value, function=True)
            else:
                data = "\n" in node.value and id(node) not in documents
                yield from _if_prose(node.lineno, node.value, data=data)
    yield from _comments((token.start[0], token.string[1:]) for token in _comment_tokens(source))


def _f_string(node: ast.JoinedStr) -> Iterator[str]:
    for part in node.values:
        yield part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "_"


def _if_prose(line: int, words: str, *, data: bool) -> Iterator[Text]:
    if len(words.split()) > 1:
        yield Text(line, words, data=data)


def _has_verb_docstring(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or ast.get_docstring(node) is None:
        return False
    decorators = [ast.unparse(each).split("(")[0] for each in node.decorator_list]
    return not any(each.endswith(EXEMPT_DECORATORS) for each in decorators)


def _comment_tokens(source: str) -> Iterator[tokenize.TokenInfo]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return (token for token in tokens if token.type == tokenize.COMMENT and "noqa" not in token.string)


def _lua(source: str) -> Iterator[Text]:
    lines = enumerate(source.splitlines(), start=1)
    for text in _comments((at, line.split("--", 1)[1]) for at, line in lines if "--" in line):
        yield text._replace(words=LUA_LISTS.sub(lambda names: re.sub(r"[^\n]", " ", names.group()), text.words))


def _comments(lines: Iterator[tuple[int, str]]) -> Iterator[Text]:
    """Join comments of lines that follow each other: a sentence may go over several."""
    first, last, words = 0, -1, ""
    for at, comment in lines:
        if at != last + 1:
            if words:
                yield Text(first, words)
            first, words = at, ""
        line = comment.removeprefix(" ").rstrip()
        words, last = f"{words}\n{line}" if words else line, at
    if words:
        yield Text(first, words)


def _markdown(source: str) -> Iterator[Text]:
    yield Text(1, source)


if __name__ == "__main__":
    sys.exit(main())
