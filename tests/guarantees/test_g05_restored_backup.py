"""G5: a backup that is restored sends nothing a second time as long as Telnyx recognises it. The rest is told."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError

from service import Context, Event, Router
from service.processes import embedded_server
from service.store.effects import blocks
from service.store.inbox import dead_letters
from tests.cli.at_stack import run_at
from tests.doctor.looking import look
from tests.healing.missed import HOUR, failed, heal, healed, installed
from tests.stack import Stack, open_host, open_stack
from tests.store.test_releases import with_later_times
from tests.telnyx_events import Body, envelope, fresh_number
from tests.waiting import wait_for

PUBLIC_URL = "https://ringback.example/webhooks"
router = Router()


@router.on("test.text")
async def text(event: Event[dict[str, Any]], ctx: Context) -> None:
    """Send one message."""
    await ctx.telnyx.messages.send(to=event.payload["to"], from_="+13125550199", text="Your table is ready")


@dataclass
class Restorable:
    """A deployment whose server can be put back to a copy of its files."""

    data: Path
    server: embedded_server.EmbeddedServer
    stack: Stack
    copy: Path
    written: list[str] = field(default_factory=list)

    def back_up(self) -> None:
        """Copy the file while events are being accepted."""
        ended = threading.Event()

        def write() -> None:
            while not ended.is_set():
                self.stack.deliver(body := envelope("test.note", {}))
                self.written.append(body["data"]["id"])

        thread = threading.Thread(target=write)
        thread.start()
        wait_for(lambda: len(self.written) > 20)
        shutil.copytree(self.data / "appendonlydir", self.copy)
        wait_for(lambda: len(self.written) > 40)
        ended.set()
        thread.join()

    def restore(self, *, older_by: float = 0) -> None:
        """Stop all, and start on the copy, as if it was so many seconds older."""
        self.stack.workers.close()
        self.server.stop()
        shutil.rmtree(self.data / "appendonlydir")
        shutil.copytree(self.copy, self.data / "appendonlydir")
        for file in self.data.glob("appendonlydir/*.aof"):
            file.write_bytes(with_later_times(file.read_bytes(), -int(older_by * 1000)))
        self.server = embedded_server.start(self.data)
        wait_for(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self.stack.ask(lambda store: store.redis.ping()))
        except RedisError:
            return False


@pytest.fixture
def restorable(tmp_path: Path) -> Iterator[Restorable]:
    data = tmp_path / "data"
    with (
        _started(data) as running,
        open_host(running[0].url) as host,
        open_stack(host, public_url=PUBLIC_URL) as stack,
    ):
        opened = Restorable(data, running[0], stack, tmp_path / "copy")
        yield opened
        running[0] = opened.server


@contextmanager
def _started(data: Path) -> Iterator[list[embedded_server.EmbeddedServer]]:
    running = [embedded_server.start(data)]
    try:
        yield running
    finally:
        running[0].stop()


def texting() -> Body:
    return envelope("test.text", {"to": fresh_number()})


def sent(stack: Stack, body: Body) -> int:
    return len(stack.sent_to(body["data"]["payload"]["to"]))


def brought_about(restorable: Restorable) -> tuple[Body, Body]:
    """An event that was open at the backup, and one that came after it. Both have sent since."""
    stack, open_then, later = restorable.stack, texting(), texting()
    installed(stack, ago=48 * HOUR)
    stack.ask(lambda store: blocks.pause(store, "text"))
    stack.start_worker(router)
    stack.deliver(open_then)
    stack.when(open_then, lambda record: any(each.state == "parked" for each in record.handlers.values()))
    restorable.back_up()
    stack.ask(lambda store: blocks.resume(store, "text"))
    stack.deliver(later)
    for body in (open_then, later):
        assert stack.ended(body).state == "done"
        assert sent(stack, body) == 1
    return open_then, later


@pytest.mark.slow
def test_what_was_sent_since_a_backup_is_not_sent_again(restorable: Restorable) -> None:
    stack = restorable.stack
    open_then, later = brought_about(restorable)
    restorable.restore()
    assert stack.record(later["data"]["id"]) is None
    failed(stack, later, ago=60, answers=[(PUBLIC_URL, 200)])
    stack.ask(lambda store: blocks.resume(store, "text"))
    stack.start_worker(router)
    assert healed(heal(stack)) == [later["data"]["id"]]
    for body in (open_then, later):
        assert stack.ended(body).state == "done"
        assert sent(stack, body) == 1
    assert stack.recorded(later["data"]["id"]).arrived_by == "healed"
    assert sum(each.replayed for each in stack.simulator.requests_to("POST", "/messages")) == 2


@pytest.mark.slow
def test_what_telnyx_recognises_no_longer_is_told_and_left_to_a_person(restorable: Restorable) -> None:
    stack = restorable.stack
    open_then, later = brought_about(restorable)
    restorable.restore(older_by=25 * HOUR)
    stack.simulator.advance(25 * HOUR)
    failed(stack, later, ago=24.5 * HOUR, answers=[(PUBLIC_URL, 200)])
    stack.ask(lambda store: blocks.resume(store, "text"))
    stack.start_worker(router)
    record = stack.ended(open_then)
    assert (record.state, record.handlers["text"].reason) == ("dead", "ambiguous")
    assert "restored from a backup" in (record.handlers["text"].error or "")
    assert (look(stack, "silence").status, "docs/backup.md" in look(stack, "silence").told) == ("warning", True)
    # A person decides about each of them.
    ran = run_at(stack, "heal", "--since", "26h", RINGBACK_PUBLIC_URL=PUBLIC_URL)
    assert (ran.code, "answered 200 over 23 hours ago" in ran.stderr) == (1, True), ran
    assert stack.record(later["data"]["id"]) is None
    assert len(stack.simulator.requests_to("POST", "/messages")) == 2
    retried = stack.ask(lambda store: dead_letters.retry(store, [record.id], by="somebody", word="not_sent"))
    assert retried == ["retried"]
    assert stack.ended(open_then).state == "done"
    ran = run_at(stack, "heal", "--since", "26h", "--uncertain", "--yes", RINGBACK_PUBLIC_URL=PUBLIC_URL)
    assert ran.code == 0, ran
    assert stack.ended(later).state == "done"
    assert (sent(stack, open_then), sent(stack, later)) == (2, 2)
