"""Loading the router: what goes wrong is told with the file and what to do."""

from pathlib import Path

import pytest

from service.worker.load_router import CannotLoadHandlers, load_router


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no module"),
        ("import nowhere_to_be_found", "needs 'nowhere_to_be_found'"),
        ("router = 5", "it is of type int"),
        ("", "there is no such name"),
        ("1 / 0", r"ZeroDivisionError at \w+\.py:1"),
        ("raise SystemExit", "SystemExit"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_handlers_that_cannot_be_loaded_are_told_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, said: str
) -> None:
    name = f"handlers_{abs(hash(tmp_path))}"
    monkeypatch.syspath_prepend(str(tmp_path))
    if content is not None:
        (tmp_path / f"{name}.py").write_text(content)
    with pytest.raises(CannotLoadHandlers, match=said):
        load_router(f"{name}:router")


def test_a_folder_of_the_users_that_bears_our_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "handlers").mkdir()
    (tmp_path / "handlers" / "__init__.py").write_text("from service import Router\nrouter = Router()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(CannotLoadHandlers, match="rename it"):
        load_router("handlers:router")


def test_the_built_in_handlers_load() -> None:
    assert set(load_router("handlers:router").subscriptions) >= {"consent", "forward", "sms_fallback"}


def test_a_syntax_error_is_told_by_its_own_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "unfinished_handlers.py").write_text("import os\n\ndef broken(:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(CannotLoadHandlers) as refused:
        load_router("unfinished_handlers:router")
    assert "SyntaxError at unfinished_handlers.py:3" in str(refused.value)
    assert "importlib" not in str(refused.value)
