"""The operations that the installed SDK has for messaging, as its source names them."""

import re
from collections.abc import Iterator
from pathlib import Path

import telnyx

FAMILIES = re.compile(r"(messag|messages|rcs|whatsapp|short_codes)")
_CALL = re.compile(
    r'self\._(get|post|put|patch|delete|get_api_list)\(\s*(?:path_template\(\s*)?"(/[^"]*)"'
    r"(.*?)(?=\n    (?:async )?def |\nclass |\Z)",
    re.DOTALL,
)
_METHOD = re.compile(r'method="(\w+)"')


def sdk_operations() -> set[tuple[str, str]]:
    """Method and path of each operation."""
    root = Path(telnyx.__file__).parent / "resources"
    files = (each for each in root.rglob("*.py") if FAMILIES.match(str(each.relative_to(root))))
    return {operation for each in files for operation in _operations(each.read_text("utf-8"))}


def _operations(source: str) -> Iterator[tuple[str, str]]:
    for verb, path, rest in _CALL.findall(source):
        named = _METHOD.search(rest)
        yield (named[1].upper() if named else "GET") if verb == "get_api_list" else verb.upper(), path


def shape(operation: tuple[str, str]) -> tuple[str, str]:
    """An operation without the names of its parameters."""
    return operation[0], re.sub(r"\{[^}]*\}", "{}", operation[1])
