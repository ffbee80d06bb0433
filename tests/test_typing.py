"""The types of what authors of handlers import, as mypy sees them under its strict rules."""

from pathlib import Path

import pytest
from mypy import api

pytestmark = pytest.mark.slow

HANDLERS = """
from typing import Any

from service import Context, Event, Router
from service.events import Message

router = Router()


@router.on("message.received")
async def plain(event: Event, ctx: Context) -> None:
    reveal_type(event.payload)


@router.on("message.received")
async def modelled(event: Event[Message], ctx: Context) -> None:
    reveal_type(event.payload)
"""


def test_an_event_alone_is_one_of_a_plain_dict(tmp_path: Path) -> None:
    module = tmp_path / "my_handlers.py"
    module.write_text(HANDLERS)
    said, trouble, exit_code = api.run(["--strict", "--cache-dir", str(tmp_path / "cache"), str(module)])
    assert (exit_code, trouble) == (0, ""), said
    notes = [line.partition("Revealed type is ")[2] for line in said.splitlines() if "Revealed" in line]
    assert notes == ['"dict[str, Any]"', '"service.events.message.Message"'], said
