"""Policies for tests."""

import textwrap
from pathlib import Path

from service.messages.policy import Policy
from service.messages.policy_file import read_policy

SMS_FROM = "+13125550199"


def write_policy(folder: Path, text: str) -> Path:
    """A policy file of its own."""
    path = folder / "policy.toml"
    path.write_text(textwrap.dedent(text).lstrip("\n"))
    return path


def policy(folder: Path, text: str) -> Policy:
    """A policy, read from a file of its own."""
    return read_policy(write_policy(folder, text), sms_from=SMS_FROM)
