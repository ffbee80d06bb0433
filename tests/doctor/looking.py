"""One check of a stack's deployment, with the check that it waits for."""

import asyncio
from typing import Any

from service.doctor.checks import CHECKS
from service.doctor.examination import examine
from service.doctor.finding import Finding
from tests.stack import Stack


def look(stack: Stack, name: str, **changes: Any) -> Finding:
    """The finding of the check of this name, with some settings changed."""
    by_name = {each.name: each for each in CHECKS}
    check = by_name[name]
    wanted = [check] if check.after is None else [by_name[check.after], check]
    settings = stack.settings.model_copy(update=changes)
    return asyncio.run(examine(settings, wanted))[-1]


def status(stack: Stack, name: str, **changes: Any) -> str:
    """The status alone."""
    return look(stack, name, **changes).status
