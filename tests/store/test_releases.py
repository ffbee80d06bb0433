"""The data folders that releases have left behind: each later version reads them, and runs their events to an end."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

import handlers
from service import Context, Event, Router
from service.monitoring.notifications import message
from service.processes import embedded_server
from service.registrations.status_changes import Known
from service.registrations.webhook_repair import kept_changes
from service.store.connection import connect_blocking
from service.store.effects import blocks
from service.store.facts import notices
from service.store.facts.rcs_agents import agent_standings
from service.store.facts.remembered import latest_probe, recall, snapshot
from service.store.inbox import dead_letters
from service.store.inbox.accept import counts
from service.store.inbox.audit import audit
from service.store.inbox.handler_times import merged, read_times
from service.store.inbox.healing import state_of
from service.store.keys import Keys
from service.store.operators import issues, sessions
from service.store.operators.audit_log import audit_entries
from service.store.operators.bulk_jobs import read_jobs
from service.store.store import Store
from tests.cli.at_stack import run_at
from tests.stack import Stack, open_host, open_stack
from tests.store.release_data import (
    AGENT,
    DELIVERED,
    KEY,
    LOST,
    RELEASES,
    STATES,
    ReleaseData,
    all_ids,
    event_id,
    one_line,
)
from tests.tiers import slow
from tests.waiting import wait_for

TAKEN_UP_AFTER = 7_200_000
"""Milliseconds after its last write: each event is due, and nothing has expired that lasts for days."""
MINUTE, HOUR = 60_000, 3_600_000
SHORT_LIVED = {
    *("blocked", "bucket", "confirmed", "erasing", "failures", "format", "heal_turn", "lapsed", "lookahead"),
    *("optouts_reader", "pruning", "slots", "workers"),
}
"""What lives for moments, is written after a time without workers, or only by a later release."""
READINGS = [
    ["events", "list", "--limit", "100"],
    *(["events", "show", event_id(kind)] for kind in STATES),
    ["dead", "list"],
    ["optouts", "list", "--reveal"],
    ["audit"],
    ["stats"],
]


def about(folder: Path) -> ReleaseData:
    return ReleaseData(**json.loads((folder / "about.json").read_text()))


def with_later_times(text: bytes, by: int) -> bytes:
    """The file with each time so many milliseconds later. None gets another length."""

    def later(unit: int) -> Any:
        return lambda found: found[1] + str(int(found[2]) + by // unit).encode()

    text = re.sub(rb"(:minute:)(\d{8})\b", later(MINUTE), text)
    text = re.sub(rb"(:hour:)(\d{6})\b", later(HOUR), text)
    text = re.sub(rb"(\b)(1[78]\d{14})\b", lambda found: str(int(found[2]) + by * 1000).encode(), text)
    return re.sub(rb"(\b)(1[78]\d{11})\b", later(1), text)


@contextmanager
def opened(folder: Path, data: Path, *, sealed: bool) -> Iterator[Stack]:
    """A deployment of the folder, as if it was taken up two hours after its last write."""
    shutil.copytree(folder / "appendonlydir", data / "appendonlydir")
    data.chmod(0o700)
    release = about(folder)
    by = (int(time.time() * 1000) - TAKEN_UP_AFTER - release.made_at) // MINUTE * MINUTE
    for file in data.glob("appendonlydir/*.aof"):
        file.write_bytes(with_later_times(file.read_bytes(), by))
    namespace = release.sealed_namespace if sealed else release.namespace
    key = KEY if sealed else None
    with (
        embedded_server.start(data) as server,
        open_host(server.url) as host,
        open_stack(host, namespace=namespace, encryption_key=key) as stack,
    ):
        yield stack


@pytest.fixture(params=sorted(RELEASES.iterdir()), ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def router() -> Router:
    """The handlers of the folder's events. Now each of them ends well."""
    ours = Router(handlers.router)
    for name in ("park", "count", "ship", "tell_crm", "answer"):

        @ours.on("shop.*", name=name)
        async def end(event: Event, ctx: Context) -> None:
            """Do nothing."""

    @ours.on("shop.turn", ordered_by=one_line)
    async def in_line(event: Event, ctx: Context) -> None:
        """Do nothing."""

    @ours.on("shop.lost_answer")
    async def text(event: Event, ctx: Context) -> None:
        await ctx.telnyx.messages.send(to=LOST, from_="+13125550199", text="Your table is ready")

    return ours


def read_all(stack: Stack) -> dict[str, Any]:
    """What each command says."""
    key = {"RINGBACK_ENCRYPTION_KEY": KEY} if stack.settings.encryption_key else {}
    told = {}
    for words in READINGS:
        ran = run_at(stack, *words, "--json", **key)
        assert ran.code == 0, (words, ran)
        told[" ".join(words)] = _without_now(json.loads(ran.stdout))
    return told


async def _read_stored(store: Store, token: str) -> list[Any]:
    """What no command of these shows."""
    known = [await snapshot(store, "toll_free_verification", "request-1")]
    return [
        await sessions.read_session(store, token),
        await latest_probe(store),
        await agent_standings(store),
        await recall(store, AGENT, [DELIVERED]),
        await kept_changes(store),
        [Known.parse(each) for each in known if each],
        await read_jobs(store),
        await state_of(store),
        merged(await read_times(store, span="hour", spans=24)),
        await issues.read_issues(store),
        await audit_entries(store, action="dead"),
    ]


def _without_now(told: Any) -> Any:
    """An answer without the time at which it was given: that of a wait that lasts."""
    if isinstance(told, dict) and told.get("kind") == "wait":
        return {name: value for name, value in told.items() if name != "at"}
    if isinstance(told, dict):
        return {name: _without_now(value) for name, value in told.items()}
    return [_without_now(each) for each in told] if isinstance(told, list) else told


@pytest.mark.parametrize("sealed", [False, *slow(True)])
def test_each_record_of_a_release_is_read(folder: Path, tmp_path: Path, *, sealed: bool) -> None:
    with opened(folder, tmp_path / "data", sealed=sealed) as stack:
        told = read_all(stack)
        states = {each["id"]: each["state"] for each in told["events list --limit 100"]}
        assert {kind: states[event_id(kind)] for kind in STATES} == STATES
        assert stack.ask(audit).clean
        for identity in states:
            record = stack.recorded(identity)
            assert record.damaged <= (set() if record.body else {"arrived_by"})


@pytest.mark.parametrize("sealed", slow(False, True))
def test_the_events_of_a_release_are_run_to_their_end_and_nothing_is_sent_again(
    folder: Path, tmp_path: Path, *, sealed: bool
) -> None:
    with opened(folder, tmp_path / "data", sealed=sealed) as stack:
        stack.ask(lambda store: blocks.resume(store, "park"))
        dead = [identity for identity in stack.ask(all_ids) if stack.recorded(identity).state == "dead"]
        assert set(stack.ask(lambda store: dead_letters.retry(store, dead, by="somebody", word="sent"))) == {"retried"}
        sent = [each for each in stack.ask(all_ids) if stack.effects(each) and stack.recorded(each).state == "done"]
        assert [each.verdict for each in stack.ask(lambda store: dead_letters.replay(store, sent, by="somebody"))] == [
            "replayed"
        ] * 2
        stack.start_worker(router())
        wait_for(lambda: stack.ask(counts).open == 0)
        assert stack.ask(counts).dead == 0
        assert stack.ask(audit).clean
        assert not stack.simulator.requests_to("POST", "/messages")


def test_what_a_later_release_adds_to_each_record_is_passed_over(folder: Path, tmp_path: Path) -> None:
    with opened(folder, tmp_path / "data", sealed=False) as stack:
        token = stack.ask(lambda store: sessions.open_session(store, sessions.Session("alice", "mark"), seconds=60))
        before = read_all(stack), stack.ask(lambda store: _read_stored(store, token))
        redis = connect_blocking(stack.host.redis_url, timeout=10)
        assert sum(add_later_fields(redis, key) for key in redis.scan_iter(f"{stack.settings.namespace}:*")) > 60
        assert (read_all(stack), stack.ask(lambda store: _read_stored(store, token))) == before
        # Taken once only, since they are to be sent.
        told = dict(message(each) for each in stack.ask(notices.take))
        assert told["Ringback: a cause"] == "a text\n→ a command"


LATER = {"later_field": {"later": ["later"]}}
RECORDS = {"block", "effect", "event", "heal", "job", "message", "notice"}
"""Kinds of hashes of which each is one record. In others each field is one."""
TEXTS = {b"body", b"bytes", b"answer", b"handlers", b"blocked"}
"""Fields that hold a foreign text, or names alone."""


def add_later_fields(redis: Any, key: bytes) -> int:
    """Write into a key what a later release may. Returns how many values were changed."""
    kind, changed = key.split(b":")[1].decode(), 0
    if redis.type(key) == b"hash":
        for name, value in redis.hgetall(key).items():
            if name.startswith(b"new:["):
                redis.hdel(key, name)
                redis.hset(key, b"new:" + orjson.dumps([*orjson.loads(name[4:]), "later"]), value)
            elif name not in TEXTS and (later := _with_later_fields(name, value)) != value:
                redis.hset(key, name, later)
                changed += 1
        if kind in RECORDS:
            redis.hset(key, "later_field", "later")
            changed += 1
    elif redis.type(key) == b"string" and (later := _with_later_fields(b"", value := redis.get(key))) != value:
        redis.set(key, later, keepttl=True)
        changed += 1
    return changed


def _with_later_fields(name: bytes, value: Any) -> bytes:
    if name in (b"sent", b"again"):
        return bytes(value).replace(b";", b" later;")
    if name == b"notes" and value.startswith(b"{"):
        return b"".join(orjson.dumps(orjson.loads(line) | LATER) + b"\n" for line in value.splitlines())
    try:
        told = orjson.loads(value)
    except orjson.JSONDecodeError:
        return bytes(value)
    if not isinstance(told, dict):
        return bytes(value)
    if name == b"pruned":
        return orjson.dumps({each: [*known, "later"] for each, known in told.items()})
    runs = {"runs": [run | LATER for run in told["runs"]]} if "runs" in told else {}
    return orjson.dumps(told | runs | LATER)


def test_the_present_release_has_one_of_each_kind_of_record() -> None:
    rows = re.findall(r"^    \| (`<ns>.*?) \| ", Keys.__doc__ or "", re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`<ns>:(\w+)", row)}
    newest = max(RELEASES.iterdir(), key=lambda folder: about(folder).made_at)
    text = b"".join(file.read_bytes() for file in newest.glob("appendonlydir/*.aof")).decode(errors="replace")
    for namespace in (about(newest).namespace, about(newest).sealed_namespace):
        found = set(re.findall(rf"{namespace}:(\w+)", text))
        without = SHORT_LIVED if namespace == about(newest).sealed_namespace else SHORT_LIVED | {"optout_keys"}
        assert named - found <= without
