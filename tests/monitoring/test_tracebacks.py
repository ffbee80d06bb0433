"""Tracebacks are shown to authors who ask for them, without numbers and secrets, and to nobody else."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from service.monitoring import tracebacks
from service.monitoring.tracebacks import show_tracebacks, tell_traceback
from service.settings import Settings

SECRET = "KEY-0123-secret"


def raised(folder: Path, code: str) -> Exception:
    """What an author's own file raises."""
    file = folder / "mine.py"
    file.write_text(code)
    try:
        exec(compile(code, str(file), "exec"), {})
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError


def test_nothing_is_printed_unless_it_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell_traceback(raised(tmp_path, "1 / 0"))
    assert capsys.readouterr().err == ""


def test_the_authors_frames_and_the_text_are_shown_without_secrets_and_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracebacks, "_shown_with", [])
    show_tracebacks(Settings(api_key=SecretStr(SECRET)))
    tell_traceback(raised(tmp_path, f"raise KeyError('CRM_KEY', '{SECRET}', '+13125550101', '\\x1b[2J')"))
    shown = capsys.readouterr().err
    assert "mine.py" in shown
    assert "CRM_KEY" in shown
    assert not {each for each in (SECRET, "5550101", "\x1b") if each in shown}


def test_a_syntax_error_shows_its_line_and_no_frames_of_the_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracebacks, "_shown_with", [])
    show_tracebacks(Settings())
    tell_traceback(raised(tmp_path, "awat x"))
    shown = capsys.readouterr().err
    assert "awat x" in shown
    assert "frozen importlib" not in shown
