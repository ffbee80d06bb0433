"""The direction of imports, and what the ingress must never load."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def modules() -> list[Path]:
    return sorted((ROOT / "service").rglob("*.py")) + sorted((ROOT / "handlers").rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_file_bears_a_name_that_says_nothing() -> None:
    assert not [path for path in modules() if path.stem in {"utils", "helpers", "common", "misc", "manager"}]


def test_the_ingress_loads_neither_handlers_nor_the_sdk_nor_arq() -> None:
    code = "import sys, service.ingress.app; print(sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    for name in ("'handlers'", "'telnyx'", "'arq'", "'httpx'", "'phonenumbers'"):
        assert name not in loaded


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_store_names_redis_keys(path: Path) -> None:
    if path.is_relative_to(ROOT / "service" / "store"):
        return
    strings = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
    named = [text for text in strings if isinstance(text, str) and text.startswith(("arq:", "ringback:"))]
    assert not named


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_keys_of_a_deployment_come_with_what_seals(path: Path) -> None:
    """`Keys(settings.namespace)` would store plainly what `Keys.of(settings)` seals, and not find who has opted out."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    made = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Keys"]
    assert not [call for call in made if any(isinstance(each, ast.Attribute) for each in call.args)]
