"""The direction of imports, and what the ingress must never load."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]


def modules() -> list[Path]:
    return sorted((ROOT / "service").rglob("*.py")) + sorted((ROOT / "handlers").rglob("*.py"))


@cache
def texts() -> dict[Path, str]:
    return {path: path.read_text() for path in modules()}


def nodes(*words: str) -> list[tuple[Path, ast.AST]]:
    """The syntax of the modules that hold one of these words: parsing all of them takes seconds."""
    found = [(path, text) for path, text in texts().items() if any(word in text for word in words)]
    return [(path, node) for path, text in found for node in ast.walk(ast.parse(text))]


def test_no_file_bears_a_name_that_says_nothing() -> None:
    assert not [path for path in modules() if path.stem in {"utils", "helpers", "common", "misc", "manager"}]


def test_the_ingress_loads_neither_handlers_nor_the_sdk_nor_arq() -> None:
    imports = "import sys, service.ingress.app"
    assert not loaded(imports) & {"handlers", "telnyx", "arq", "httpx", "phonenumbers"}


def test_the_command_of_the_ingress_leaves_out_what_libraries_load_and_it_never_uses() -> None:
    imports = "import sys, service.cli, service.cli.run.ingress"
    optional = {"greenlet", "rich", "pygments", "watchfiles"}
    assert not loaded(imports) & optional
    assert {"rich", "watchfiles"} <= loaded(f"{imports}, rich.table, watchfiles"), "a later import works"
    # These two are there, and empty: they are loaded on demand.
    assert not loaded(imports) & {"jwt.api_jwt", "html.entities"}


def loaded(imports: str) -> set[str]:
    """The packages and modules of a process after these imports."""
    code = f"{imports}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_no_test_module_loads_the_whole_sdk_before_the_tests_begin() -> None:
    """Each process of a run collects all modules. The models of all products would double its time."""
    whole = re.compile(
        r"^from telnyx\.(?:types|resources) import [A-Z]|^from telnyx import (?:types|resources)\b", re.MULTILINE
    )
    assert whole.search("import pytest\nfrom telnyx.types import Room\n")
    assert not [path for path in sorted((ROOT / "tests").rglob("*.py")) if whole.search(path.read_text())]


def test_only_the_store_names_redis_keys() -> None:
    strings = [(path, node.value) for path, node in nodes("arq:", "ringback:") if isinstance(node, ast.Constant)]
    named = {path for path, text in strings if str(text).startswith(("arq:", "ringback:"))}
    assert named
    assert not [path for path in named if not path.is_relative_to(ROOT / "service" / "store")]
