import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs

from service.processes import data_folder, embedded_server
from service.processes.supervisor import Child, Supervisor, next_pause
from tests.processes.children import kill

STAND_IN = """
import os, signal, sys
name, journal, stubborn = sys.argv[1:4]
def note(what):
    with open(journal, "a") as file:
        file.write(f"{name} {what} {os.getpid()}\\n")
def leave(*_):
    note("asked")
    if not stubborn:
        note("left")
        sys.exit(0)
signal.signal(signal.SIGTERM, leave)
note("began")
while True:
    signal.pause()
"""

Scenario = Callable[[Supervisor], Awaitable[None]]


class Journal:
    """What the stand-ins noted, line by line: who, what, process id."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[tuple[str, str, int]]:
        words = [line.split() for line in self.path.read_text().splitlines()] if self.path.exists() else []
        return [(who, what, int(pid)) for who, what, pid in words]

    def pids(self, name: str) -> list[int]:
        return [pid for who, what, pid in self.lines() if (who, what) == (name, "began")]

    def events(self) -> list[str]:
        return [f"{who} {what}" for who, what, _ in self.lines()]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def stand_in(journal: Journal, name: str, *, stubborn: bool = False, **more: Any) -> Child:
    command = (sys.executable, "-c", STAND_IN, name, str(journal.path), "stubborn" if stubborn else "")
    return replace(Child(name=name, command=command, grace=20.0), **more)


def ending_with(code: int, **more: Any) -> Child:
    return Child(name="short-lived", command=(sys.executable, "-c", f"raise SystemExit({code})"), grace=20.0, **more)


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - other processes bring it about
            await asyncio.sleep(0.01)


def supervise(*stages: list[Child], scenario: Scenario) -> int:
    """Run the stages beside a scenario, stop them when it has ended, and return the exit code."""

    async def both() -> int:
        supervisor = Supervisor(stages)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(supervisor.run())
            await scenario(supervisor)
            supervisor.stop()
        return running.result()

    return asyncio.run(both())


@pytest.mark.parametrize(
    ("previous", "lived", "pause"),
    [
        pytest.param(0, 0, 0.1, id="the first death"),
        pytest.param(0.1, 0, 0.2, id="doubled"),
        pytest.param(3.2, 29, 5, id="at most 5 seconds"),
        pytest.param(5, 0, 5, id="and no longer"),
        pytest.param(5, 30, 0.1, id="forgiven after 30 seconds of life"),
    ],
)
def test_the_pause_before_a_restart(previous: float, lived: float, pause: float) -> None:
    assert next_pause(previous, lived) == pause


def test_what_dies_is_started_again_and_its_neighbour_is_left_alone(journal: Journal) -> None:
    async def scenario(_: Supervisor) -> None:
        await eventually(lambda: journal.pids("a") and journal.pids("b"))
        kill(journal.pids("a")[0])
        await eventually(lambda: len(journal.pids("a")) == 2)

    with capture_logs() as logs:
        assert supervise([stand_in(journal, "a"), stand_in(journal, "b")], scenario=scenario) == 0
    assert len(journal.pids("b")) == 1
    assert {"child": "a", "code": -9, "again_in": 0.1, "event": "died", "log_level": "warning"} in logs


def _has_begun(journal: Journal, times: int) -> bool:
    return len(journal.pids("a")) == times


def test_a_signal_reaches_the_child_that_runs_now_and_nobody_else(journal: Journal) -> None:
    async def scenario(supervisor: Supervisor) -> None:
        supervisor.signal("a", signal.SIGKILL)
        await eventually(lambda: journal.pids("a") and journal.pids("b"))
        for number in (1, 2):
            supervisor.signal("a", signal.SIGKILL)
            await eventually(partial(_has_begun, journal, number + 1))
        supervisor.signal("nobody", signal.SIGKILL)

    assert supervise([stand_in(journal, "a"), stand_in(journal, "b")], scenario=scenario) == 0
    assert len(journal.pids("b")) == 1


@pytest.mark.parametrize(
    "child",
    [
        pytest.param(ending_with(2), id="it ends with an error"),
        pytest.param(ending_with(0), id="it ends without one"),
        pytest.param(Child(name="absent", command=("/no/such/program",), grace=1), id="it cannot be started"),
    ],
)
def test_restarts_come_slower_and_slower(child: Child) -> None:
    def pauses() -> list[float]:
        return [entry["again_in"] for entry in logs if entry["event"] == "died"]

    async def scenario(_: Supervisor) -> None:
        await eventually(lambda: len(pauses()) == 3)

    with capture_logs() as logs:
        assert supervise([child], scenario=scenario) == 0
    assert pauses() == [0.1, 0.2, 0.4]


def test_a_hopeless_end_stops_the_others_and_is_the_exit_code(journal: Journal) -> None:
    base = stand_in(journal, "base", ready=lambda: bool(journal.pids("base")))
    hopeless = ending_with(2, hopeless=frozenset({2}))
    with capture_logs() as logs:
        assert asyncio.run(Supervisor([[base], [hopeless]]).run()) == 2
    assert [entry["code"] for entry in logs if entry["event"] == "not restarted"] == [2]
    assert journal.events() == ["base began", "base asked", "base left"]


def test_stages_begin_in_order_and_end_in_the_reverse_order(journal: Journal) -> None:
    async def scenario(_: Supervisor) -> None:
        await eventually(lambda: journal.pids("top"))

    base = stand_in(journal, "base", ready=lambda: bool(journal.pids("base")))
    assert supervise([base], [stand_in(journal, "top")], scenario=scenario) == 0
    assert journal.events() == ["base began", "top began", "top asked", "top left", "base asked", "base left"]


def test_a_base_that_ends_before_it_was_ready_ends_the_whole(journal: Journal) -> None:
    base = ending_with(3, ready=lambda: False, last_words=lambda: "no room left")
    with capture_logs() as logs:
        assert asyncio.run(Supervisor([[base], [stand_in(journal, "top")]]).run()) == 1
    assert not journal.lines()
    assert ("no room left", 3) in [(entry.get("last_words"), entry.get("code")) for entry in logs]


def test_a_stop_before_the_base_is_ready_starts_nothing_more(journal: Journal) -> None:
    async def scenario(_: Supervisor) -> None:
        await eventually(lambda: journal.pids("base"))

    base = stand_in(journal, "base", ready=lambda: False)
    assert supervise([base], [stand_in(journal, "top")], scenario=scenario) == 0
    assert journal.events() == ["base began", "base asked", "base left"]


def test_a_base_that_dies_is_started_again_under_a_living_top(journal: Journal) -> None:
    async def scenario(_: Supervisor) -> None:
        await eventually(lambda: journal.pids("top"))
        kill(journal.pids("base")[0])
        await eventually(lambda: len(journal.pids("base")) == 2)

    base = stand_in(journal, "base", ready=lambda: bool(journal.pids("base")))
    assert supervise([base], [stand_in(journal, "top")], scenario=scenario) == 0
    assert len(journal.pids("top")) == 1


def test_who_does_not_stop_within_the_grace_is_killed(journal: Journal) -> None:
    async def scenario(_: Supervisor) -> None:
        await eventually(lambda: journal.pids("a"))

    with capture_logs() as logs:
        assert supervise([stand_in(journal, "a", stubborn=True, grace=0.1)], scenario=scenario) == 0
    assert journal.events() == ["a began", "a asked"]
    assert "killed" in [entry["event"] for entry in logs]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_all(journal: Journal, number: signal.Signals) -> None:
    async def scenario(_: Supervisor) -> None:
        await eventually(lambda: journal.pids("a"))
        os.kill(os.getpid(), number)
        await eventually(lambda: "a left" in journal.events())

    assert supervise([stand_in(journal, "a")], scenario=scenario) == 0


def test_a_second_ctrl_c_hurries(journal: Journal) -> None:
    async def scenario(_: Supervisor) -> None:
        await eventually(lambda: journal.pids("a"))
        os.kill(os.getpid(), signal.SIGINT)
        await eventually(lambda: "a asked" in journal.events())
        os.kill(os.getpid(), signal.SIGINT)

    began = time.monotonic()
    assert supervise([stand_in(journal, "a", stubborn=True, grace=600)], scenario=scenario) == 0
    assert time.monotonic() - began < 20


def test_a_child_that_finds_no_room_is_tried_again(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    start = Child.start

    def start_later(child: Child) -> "subprocess.Popen[bytes]":
        entered.append(len(entered))
        if len(entered) == 1:
            raise OSError("no room for another process")
        return start(child)

    async def scenario(_: Supervisor) -> None:
        await eventually(lambda: journal.pids("a"))

    entered: list[int] = []
    monkeypatch.setattr(Child, "start", start_later)
    with capture_logs() as logs:
        assert supervise([stand_in(journal, "a")], scenario=scenario) == 0
    assert entered == [0, 1]
    assert "no room for another process" in [entry.get("error") for entry in logs]


def test_a_server_that_crashes_comes_back_with_its_data(tmp_path: Path, journal: Journal) -> None:
    folder = data_folder.claim(tmp_path)
    server = Child(
        name="server",
        command=embedded_server.command(embedded_server.find_server(), folder),
        grace=20.0,
        descriptors=(folder.lock.fileno(),),
        output=folder.log,
        ready=partial(data_folder.answers, folder.socket),
        last_words=partial(embedded_server.last_words, folder.log),
    )

    def back() -> bool:
        starts = [entry["child"] for entry in logs if entry["event"] == "started"]
        return data_folder.ask_ping(folder.socket).startswith(b"+PONG") and starts.count("server") == 2

    async def scenario(_: Supervisor) -> None:
        await eventually(lambda: journal.pids("top"))
        with closing(Redis(unix_socket_path=str(folder.socket))) as redis:
            redis.set("kept", "yes")
        kill(next(entry["pid"] for entry in logs if entry["event"] == "started"))
        await eventually(back)
        with closing(Redis(unix_socket_path=str(folder.socket))) as redis:
            await eventually(lambda: redis.get("kept") == b"yes")

    with capture_logs() as logs:
        assert supervise([server], [stand_in(journal, "top")], scenario=scenario) == 0
    assert "Ready to accept connections" in next(entry["last_words"] for entry in logs if entry["event"] == "died")
    folder.release()
