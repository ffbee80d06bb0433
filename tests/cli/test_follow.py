"""`ringback events follow`: what happens, while it happens."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.search import EventFilter
from service.store.inbox.watch import MOST_AT_ONCE, Watch
from service.store.store import Store
from tests.cli.deployment import ROOT, Deployment
from tests.waiting import wait_for


@contextmanager
def following(deployment: Deployment, folder: Path, *options: str) -> Iterator[Path]:
    """A real process that follows, until it is ended as Ctrl-C would."""
    out, err = folder / "out", folder / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "service.cli", "events", "follow", *options],
            env={"PYTHONPATH": str(ROOT), **deployment.environment},
            stdout=stdout,
            stderr=stderr,
        )
    try:
        wait_for(lambda: "Following" in err.read_text())
        yield out
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0, err.read_text()
    finally:
        process.kill()
        process.wait()


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_arrivals_runs_and_ends_appear_and_what_was_before_does_not(deployment: Deployment, tmp_path: Path) -> None:
    deployment.accept("before")
    with following(deployment, tmp_path, "--json", "--type", "message.received") as out:
        deployment.accept("one")
        deployment.accept("other", event_type="message.sent")
        wait_for(lambda: any(line["kind"] == "accepted" for line in lines(out)))
        deployment.accept("one")
        deployment.finish("one", greet=HandlerRecord("done"))
        deployment.finish("before", greet=HandlerRecord("dead", reason="ValueError"))
        wait_for(lambda: {"one", "before"} == {line["id"] for line in lines(out) if line["kind"] == "ended"})
    told = [(line["id"], line["kind"], line["text"]) for line in lines(out)]
    assert ("one", "accepted", "accepted") in told
    assert ("one", "delivered", "delivered once more, by webhook: a duplicate") in told
    assert ("before", "ended", "dead") in told
    assert not [each for each in told if each[:2] == ("before", "accepted") or each[0] == "other"]
    assert len(told) == len(set(told)), "nothing is told twice"


@pytest.mark.parametrize("output", ["closed pipe", "full disk"])
def test_output_that_nobody_takes_ends_it_and_is_no_outage(
    deployment: Deployment, tmp_path: Path, output: Literal["closed pipe", "full disk"]
) -> None:
    err = tmp_path / "err"
    with err.open("wb") as stderr, Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "events", "follow"],
            env={"PYTHONPATH": str(ROOT), **deployment.environment},
            stdout=full if output == "full disk" else subprocess.PIPE,
            stderr=stderr,
        )
    try:
        if process.stdout is not None:
            process.stdout.close()
        wait_for(lambda: "Following" in err.read_text())
        deployment.accept("one")
        assert process.wait(10) != 0
        assert "unreachable" not in err.read_text()
        assert ("the disk is full" in err.read_text()) == (output == "full disk")
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_people_get_a_line_each(deployment: Deployment, tmp_path: Path) -> None:
    with following(deployment, tmp_path) as out:
        deployment.accept("one")
        wait_for(lambda: out.read_text().endswith("one  message.received  accepted\n"))


@pytest.mark.slow
def test_too_much_at_once_is_counted(deployment: Deployment) -> None:
    async def look(store: Store) -> tuple[int, int]:
        from service.store.inbox.accept import NewEvent, accept

        watch = Watch(store, EventFilter())
        await watch.look()
        for start in range(0, MOST_AT_ONCE + 200, 100):
            await accept(store, [NewEvent(f"e{start + n}", "test.x", b"{}", "webhook") for n in range(100)])
        changes = await watch.look()
        while not changes.records:
            changes = await watch.look()
        return len(changes.records), changes.passed_over

    seen, passed_over = deployment.ask(look)
    assert seen == MOST_AT_ONCE
    assert passed_over > 0
