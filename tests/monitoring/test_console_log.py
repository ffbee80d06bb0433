"""What the log shows on a terminal: no text of a stranger raw, and types of bounded length."""

import json
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.security.test_printable import unsafe
from tests.terminal import on_terminal

STEERING = "\x1b[2J\x9b\r\n\u202e\u2028\x7f\U000e0041"
LOGGING = """
import json, logging, sys, structlog
from service.monitoring.logs import configure_logs
configure_logs()
for text in json.loads(sys.argv[1]):
    structlog.get_logger("x").warning(f"read {text}", peer=text, many=[text, {text: text}], **{f"k{text}": 1})
    structlog.get_logger("x").warning("accepted", type=f"a{text}" + "b" * 5000)
    logging.getLogger("uvicorn.error").warning("foreign %s", text)
"""
COLOUR = re.compile(r"\x1b\[\d*(;\d+)*m")


@pytest.mark.slow
@settings(max_examples=4, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=10, max_size=40))
def test_no_text_steers_the_terminal(texts: list[str]) -> None:
    texts = [STEERING, *texts]
    shown = COLOUR.sub("", on_terminal("-c", LOGGING, json.dumps(texts)))
    assert unsafe(shown) <= {"\n"}
    assert shown.count("\n") == 3 * len(texts), shown


def test_a_type_is_at_most_128_characters_in_machines_logs_too() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOGGING, json.dumps([STEERING])], capture_output=True, text=True, check=True, timeout=30
    )
    [_, told, _] = map(json.loads, ended.stderr.splitlines())
    assert len(told["type"]) == 128
    assert told["type"].isprintable()
