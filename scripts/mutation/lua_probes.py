"""Which statements of the Lua scripts run. Redis has no tool for it, so probes in the scripts write to its log."""

from collections.abc import Iterator

from tree_sitter import Node

from scripts.mutation.mutants import parser

MARK = "reached-statement "
PROBE = (
    "local reached_ = {} "
    "local function reach_(at) if not reached_[at] then reached_[at] = true "
    f"redis.log(redis.LOG_WARNING, '{MARK}' .. at) end end "
)
_BLOCKS = {"block", "chunk"}
_SILENT = {"comment", "hash_bang_line"}


def with_probes(file: str, source: bytes) -> bytes:
    """Return a source whose statements note that they run, each once in a call of the script."""
    places = sorted({each.start_byte for each in _statements(parser(".lua").parse(source).root_node)}, reverse=True)
    for place in places:
        source = source[:place] + f"reach_('{file}:{place}') ".encode() + source[place:]
    # All scripts begin with this library.
    return PROBE.encode() + source if file.endswith("lib/start.lua") else source


def statement_at(source: bytes, start: int, end: int) -> int:
    """Return where the innermost statement begins that holds these bytes."""
    around = [each for each in _statements(parser(".lua").parse(source).root_node) if _holds(each, start, end)]
    return max((each.start_byte for each in around), default=0)


def reached(log: str) -> set[str]:
    """Return the places in the lines of a server's log."""
    return {line.rpartition(MARK)[2].strip() for line in log.splitlines() if MARK in line}


def _statements(node: Node) -> Iterator[Node]:
    if node.parent is not None and node.parent.type in _BLOCKS and node.is_named and node.type not in _SILENT:
        yield node
    for child in node.children:
        yield from _statements(child)


def _holds(node: Node, start: int, end: int) -> bool:
    return node.start_byte <= start and end <= node.end_byte
