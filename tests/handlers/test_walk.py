"""The way of one `message.finalized` from the socket to the SMS: it crosses few files, and goes one way."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from types import FrameType

import pytest

import service
from handlers.sms_fallback import router as sms_fallback
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number

pytestmark = pytest.mark.slow

ROOT = Path(service.__file__).parents[1]
CROSSED, SPINE = 60, 19
"""Files with a function that runs on the way, and files on the call stacks of its turning points."""
BESIDE = frozenset(
    f"service/{each}.py"
    for each in (
        "worker/arq_compat",
        "worker/lease_renewer",
        "worker/loop_watch",
        "worker/maintenance",
        "monitoring/notifications",
    )
)
"""Work beside the events, which may happen at any moment."""
READING = frozenset({("service/store/inbox/accept.py", "find"), ("service/store/store.py", "Store.of")})
"""This test's own reading of the event, on the same event loop."""
TURNS = frozenset(
    {
        "BoundedHttpProtocol.data_received",
        "Batcher.add",
        "accept_packed",
        "claim",
        "RunLedger.begin",
        "begin",
        "Sender.send",
    }
)


@dataclass
class Walk:
    """The project's calls while an event is processed, seen by `sys.setprofile`."""

    on: bool = False
    files: set[str] = field(default_factory=set)
    spine: set[str] = field(default_factory=set)
    returns: set[tuple[str, ...]] = field(default_factory=set)

    def see(self, frame: FrameType, event: str, _: object) -> None:
        """Note a call."""
        if event != "call" or not self.on or (path := _project_file(frame)) is None:
            return
        stack = list(_stack(frame))
        if any(module in BESIDE for module, _ in stack) or any(call in READING for call in stack):
            return
        self.files.add(path)
        modules = [module for module, _ in groupby(each for each, _ in stack)]
        if frame.f_code.co_qualname in TURNS:
            self.spine.update(modules)
        names = [name for _, name in stack]
        if "Processor._run" in names:
            modules = [module for module, _ in groupby(each for each, _ in stack[names.index("Processor._run") :])]
            if len(set(modules)) < len(modules):
                self.returns.add(tuple(modules))


def _project_file(frame: FrameType) -> str | None:
    name = frame.f_code.co_filename
    if not name.startswith(f"{ROOT}/service/") and not name.startswith(f"{ROOT}/handlers/"):
        return None
    path = name[len(str(ROOT)) + 1 :]
    return None if path.startswith("service/testing/") else path


def _stack(frame: FrameType | None) -> Iterator[tuple[str, str]]:
    """The project's files and functions on the stack of the running task, the outermost first."""
    found = []
    while frame is not None:
        path = _project_file(frame)
        if path is not None:
            found.append((path, frame.f_code.co_qualname))
        frame = frame.f_back
    return reversed(found)


@pytest.fixture(name="walk")
def _walk(own_stack: Stack) -> Iterator[Walk]:
    walk = Walk()
    # Before the worker's threads start, since a profile holds for threads that start after it.
    threading.setprofile(walk.see)
    own_stack.host.portal.call(sys.setprofile, walk.see)
    try:
        own_stack.start_worker(sms_fallback)
        _fall_back(own_stack)
        walk.on = True
        _fall_back(own_stack)
        walk.on = False
        yield walk
    finally:
        threading.setprofile(None)
        own_stack.host.portal.call(sys.setprofile, None)


def _fall_back(stack: Stack) -> None:
    event = envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number()))
    stack.deliver(event)
    assert stack.ended(event).handlers["sms_fallback"].state == "done"


def test_it_crosses_few_files(walk: Walk) -> None:
    assert len(walk.files) <= CROSSED, "\n".join(sorted(walk.files))


def test_its_spine_is_short(walk: Walk) -> None:
    assert {"service/ingress/http_protocol.py", "service/store/inbox/accept.py"} < walk.spine
    assert {"handlers/sms_fallback.py", "service/outbound/sender.py"} < walk.spine
    assert len(walk.spine) <= SPINE, "\n".join(sorted(walk.spine))


def test_it_enters_no_module_twice_on_the_way_out(walk: Walk) -> None:
    assert sorted(walk.returns) == []
