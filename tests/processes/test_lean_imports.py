"""Modules that libraries import and nobody uses are not loaded."""

import importlib
import sys
from pathlib import Path

import pytest

from service.processes.lean_imports import on_demand


def test_a_module_on_demand_is_loaded_once_something_of_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "seldom_used.py").write_text("import sys\nsys.used = getattr(sys, 'used', 0) + 1\nanswer = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "used", 0, raising=False)
    on_demand("seldom_used", "of_no_package")
    seldom_used = importlib.import_module("seldom_used")
    assert sys.__dict__["used"] == 0
    assert (seldom_used.answer, sys.__dict__["used"]) == (42, 1)
    with pytest.raises(AttributeError):
        _ = seldom_used.unknown
    on_demand("seldom_used")
    assert importlib.import_module("seldom_used") is seldom_used
    del sys.modules["seldom_used"]
    assert "of_no_package" not in sys.modules
