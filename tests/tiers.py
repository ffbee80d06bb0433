"""Which cases of a test run by default, where one of many is enough to notice a fault at once."""

import pytest
from _pytest.mark import ParameterSet


def slow(*values: object) -> list[ParameterSet]:
    """Return cases that run with the slow tests only; a case beside them runs by default."""
    return [pytest.param(value, marks=pytest.mark.slow, id=getattr(value, "__name__", str(value))) for value in values]
