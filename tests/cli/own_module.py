"""Handlers that commands in this process can load."""

import uuid
from pathlib import Path


def own_module(text: str) -> str:
    """Write a module into the test's folder and return its import string; no other test's module has its name."""
    name = f"handlers_of_{uuid.uuid4().hex}"
    Path(f"{name}.py").write_text(text)
    return f"{name}:router"
