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


INTO_A_GONE_PIPE = """
import logging, os, structlog
reading, writing = os.pipe()
os.dup2(writing, 2)
os.close(writing)
os.close(reading)
from service.monitoring.logs import configure_logs
configure_logs()
structlog.get_logger("x").warning("nobody reads this")
logging.getLogger("x").warning("nor this")
os._exit(0)
"""


def test_a_reader_of_the_log_that_is_gone_ends_nothing() -> None:
    subprocess.run([sys.executable, "-c", INTO_A_GONE_PIPE], check=True, timeout=30)


def test_what_json_does_not_know_is_logged_by_its_masked_form() -> None:
    logging = """
import structlog
from service.monitoring.logs import configure_logs
from service.events.message import RecipientStatus
configure_logs()
structlog.get_logger("x").warning("odd", who=RecipientStatus("+13125550001"), much=1 << 70)
"""
    ended = subprocess.run([sys.executable, "-c", logging], capture_output=True, text=True, check=True, timeout=30)
    told = json.loads(ended.stderr)
    assert (told["who"], told["much"], told["logger"]) == ("RecipientStatus(status='')", 1 << 70, "x")
