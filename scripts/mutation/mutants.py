"""Wrong versions of a source. Each differs from it in one place, as a slip of its author would make it."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tree_sitter_lua
import tree_sitter_python
from tree_sitter import Language, Node, Parser

SWAPS: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_name("operators.toml").read_text())

LINE = "\n"
SMALL = 20
"""Numbers below are off by one. Larger ones are limits and times, which are off by their half or their double."""
_OPERATIONS = {"binary_expression", "comparison_operator", "boolean_operator", "binary_operator"}
_TRUTH = {"true", "false"}
_CONDITIONAL = {"if_statement", "elseif_statement", "elif_clause", "while_statement", "repeat_statement"}
_DELETED = {
    ".lua": {"function_call", "assignment_statement", "return_statement", "break_statement"},
    ".py": {"expression_statement", "raise_statement", "continue_statement", "break_statement"},
}
_NAMES = {"identifier", "pattern_list"}
_NOTHING = {".lua": "", ".py": "pass"}
_PLACES = {"sub": 0, "find": 1}
"""Which argument of a method of texts is a place, from 1 on."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of a file, whose path is relative. `start` and `end` count bytes."""

    file: str
    start: int
    end: int
    text: str

    def applied(self, source: bytes) -> bytes:
        """Return the source with the change. Its number of lines stays, so that functions keep theirs."""
        lost = source[self.start : self.end].count(b"\n") - self.text.count("\n")
        # Only within parentheses does a new line end nothing.
        text = f"{self.text[:-1]}{LINE * lost})" if self.text.endswith(")") else self.text + LINE * lost
        return source[: self.start] + text.encode() + source[self.end :]

    def line(self, source: bytes) -> int:
        """Return the number of its first line."""
        return source.count(b"\n", 0, self.start) + 1

    def lines(self, source: bytes) -> tuple[str, str]:
        """Return the changed lines before and after, without what surrounds their words."""
        first, last = source.rfind(b"\n", 0, self.start) + 1, source.find(b"\n", self.end)
        last = len(source) if last < 0 else last
        before = source[first:last].decode()
        after = source[first : self.start].decode() + self.text + source[self.end : last].decode()
        return " ".join(before.split()), " ".join(after.split())


def mutants(file: str, source: bytes) -> list[Mutant]:
    """Return all mutants of a file. In Python they are in the bodies of its functions."""
    kind = Path(file).suffix
    nodes = _within(parser(kind).parse(source).root_node, inside=kind == ".lua")
    found = [Mutant(file, *place) for node in nodes for place in _changes(node, kind)]
    return list(dict.fromkeys(each for each in found if each.applied(source) != source))


@cache
def parser(kind: str) -> Parser:
    """Return the parser of sources with a suffix."""
    grammar = tree_sitter_lua if kind == ".lua" else tree_sitter_python
    return Parser(Language(grammar.language()))


def _within(node: Node, *, inside: bool) -> Iterator[Node]:
    """Yield the nodes that run when a function is called. Types and texts do not."""
    if node.type in {"type", "decorator", "comment", "string_content", "parameters"} or _is_strict(node):
        return
    if inside:
        yield node
    for child in node.children:
        starts = node.type == "function_definition" and child.type == "block"
        yield from _within(child, inside=inside or starts)


def _changes(node: Node, kind: str) -> Iterator[tuple[int, int, str]]:
    parent = node.parent
    if parent is None:
        return
    swapped = SWAPS[kind].get(node.type)
    if swapped is not None and (parent.type in _OPERATIONS or node.type in _TRUTH):
        yield node.start_byte, node.end_byte, swapped
    if node.type in {"number", "integer", "float"}:
        yield from _other_numbers(node)
    if node.type in _OPERATIONS and any(each.type in {"and", "or"} for each in node.children):
        for side in (node.children[0], node.children[-1]):
            yield node.start_byte, node.end_byte, f"({_text(side)})"
    if parent.type in _CONDITIONAL and parent.child_by_field_name("condition") == node:
        yield node.start_byte, node.end_byte, f"not ({_text(node)})"
    if node.type in _DELETED[kind] and parent.type in {"block", "chunk"} and not _says_nothing(node):
        yield node.start_byte, node.end_byte, _NOTHING[kind]
    if node.type == "return_statement" and kind == ".py" and _text(node) not in {"return", "return False"}:
        yield node.start_byte, node.end_byte, "return None"


def _other_numbers(node: Node) -> Iterator[tuple[int, int, str]]:
    text = _text(node)
    if re.fullmatch(r"[\d_]+", text):
        number = int(text)
        others = [number + 1, number - 1] if number < SMALL else [number * 2, number // 2]
        # Lua takes the place 0 for 1.
        for other in others[:1] if _is_first_place(node) else others:
            yield node.start_byte, node.end_byte, str(other)
    elif re.fullmatch(r"\d*\.\d+|\d+e\d+", text):
        yield node.start_byte, node.end_byte, f"({text} + 1)"


def _is_first_place(node: Node) -> bool:
    """Return whether a number is the 1 of `text:sub(1, ...)` or of `text:find(word, 1, ...)`."""
    arguments = node.parent
    call = arguments.parent if arguments is not None else None
    name = call.child_by_field_name("name") if call is not None and call.type == "function_call" else None
    if arguments is None or name is None or _text(node) != "1":
        return False
    place = _PLACES.get(_text(name).rpartition(":")[2], -1)
    return 0 <= place < len(arguments.named_children) and arguments.named_children[place] == node


def _says_nothing(node: Node) -> bool:
    """Return whether a statement is a text alone, `...`, or a name's value, without which nothing would run."""
    [first, *_] = node.children or [node]
    if node.type == "expression_statement" and first.type == "assignment":
        return (target := first.child_by_field_name("left")) is not None and target.type in _NAMES
    return node.type == "expression_statement" and first.type in {"string", "ellipsis"}


def _is_strict(node: Node) -> bool:
    """Return whether an argument changes no answer: a check of `zip`, or commands that need no transaction."""
    return node.type == "keyword_argument" and _text(node).startswith(("strict=", "transaction=False"))


def _text(node: Node) -> str:
    return (node.text or b"").decode()
