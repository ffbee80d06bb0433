"""Inputs made after public bug reports, with their placeholders filled in."""

import json
import uuid
from pathlib import Path
from typing import Any

from tests.telnyx_events import now

INPUTS = Path(__file__).parent / "payloads" / "reported"
_FRESH = ("@ID", "@MESSAGE", "@ORDER")


def case_text(name: str, **changes: str) -> str:
    """The text of an input by the beginning of its name, with fresh ids and the time; `changes` replace other texts."""
    [path] = INPUTS.glob(f"{name}*.json")
    text = path.read_text().replace("@NOW", now())
    for placeholder in _FRESH:
        text = text.replace(placeholder, str(uuid.uuid4()))
    for before, after in changes.items():
        text = text.replace(before, after)
    return text


def case(name: str, *, replacing: dict[str, str] | None = None) -> Any:
    """An input as JSON; `replacing` gives other texts for some in it, so that a test has numbers of its own."""
    return json.loads(case_text(name, **(replacing or {})))
