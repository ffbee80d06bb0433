"""`ringback audit log`: each command that changes or reveals something is on record, before it does so."""

import inspect
import json
import os
import pwd
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import typer.main
from redis.exceptions import ResponseError

from service.cli import app
from service.store.inbox.handler_records import HandlerRecord
from service.store.operators import audit_log
from service.store.operators.audit_log import MAX_ENTRIES, Actor, audit_entries, record_action
from service.store.store import Store
from tests.cli.deployment import Deployment

NUMBER = "+13125550142"
ME = f"{pwd.getpwuid(os.geteuid()).pw_name}@{socket.gethostname()}"
UNASKED = {
    *("audit", "events export", "heal", "hosted upload", "hosted validate", "optouts add", "optouts import"),
    *("pause", "resume"),
}
"""Commands that change or reveal something and ask nobody."""


@pytest.fixture(autouse=True)
def _no_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)


def logged(deployment: Deployment, *options: str) -> list[dict[str, Any]]:
    ran = deployment.run("audit", "log", "--json", *options)
    assert ran.code == 0, ran.stderr
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found


def died(deployment: Deployment, *ids: str) -> None:
    deployment.accept(*ids)
    for each in ids:
        deployment.finish(each, greet=HandlerRecord("dead", reason="why", attempts=8))


def leaves(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    if path and command.callback is not None:
        yield " ".join(path), command
    for name in getattr(command, "commands", ()):
        yield from leaves(command.commands[name], *path, name)


COMMANDS = dict(leaves(typer.main.get_command(app)))


HARMLESS = {"events shadow"}
"""Commands that ask, since handlers run, and change nothing of ours."""


def asks(command: Any) -> bool:
    return any(parameter.name == "yes" for parameter in command.params)


@pytest.mark.parametrize("name", sorted(UNASKED | {name for name, each in COMMANDS.items() if asks(each)} - HARMLESS))
def test_every_command_that_changes_something_puts_itself_on_record(name: str) -> None:
    source = inspect.getsource(inspect.getmodule(inspect.unwrap(COMMANDS[name].callback)) or pytest)
    assert "confirm(" in source or "put_on_record(" in source


def test_each_change_is_on_record_with_who_what_and_when(deployment: Deployment) -> None:
    died(deployment, "one", "two", "three")
    for command in (
        ("dead", "retry", "one", "--yes"),
        ("dead", "drop", "--handler", "greet", "--yes"),
        ("optouts", "add", NUMBER),
        ("optouts", "remove", NUMBER, "--yes"),
        ("erase", NUMBER, "--yes"),
        ("audit", "--repair"),
        ("resume",),
    ):
        assert deployment.run(*command).code == 0, command
    entries = logged(deployment)
    assert [each["action"] for each in reversed(entries)] == [
        "dead retry",
        "dead drop",
        "optouts add",
        "optouts remove",
        "erase",
        "audit",
    ]
    assert {(each["actor"], each["by"]) for each in entries} == {(ME, "command")}
    retried, dropped, *_ = reversed(entries)
    assert retried["about"]["ids"] == ["one"]
    assert dropped["about"]["died"] == "greet"
    assert "2 events" in dropped["about"]["asked"]
    assert NUMBER not in json.dumps(entries)
    assert "+1312•••0142" in json.dumps(entries, ensure_ascii=False)


def test_what_nobody_confirmed_is_not_on_record(deployment: Deployment) -> None:
    died(deployment, "one")
    assert deployment.run("dead", "drop", "one").code == 1
    assert deployment.run("dead", "list").code == 0
    assert deployment.run("audit").code == 0
    assert logged(deployment) == []


def test_a_change_that_cannot_be_recorded_is_not_made(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    died(deployment, "one")

    async def refuse(*_: Any, **__: Any) -> None:
        raise ResponseError("NOPERM")

    monkeypatch.setattr("service.cli.on_record.record_action", refuse)
    for command in (
        ("dead", "drop", "one", "--yes"),
        ("optouts", "add", NUMBER),
        ("events", "show", "one", "--reveal"),
    ):
        with pytest.raises(ResponseError):
            deployment.run(*command)
    assert "No number is opted out." in deployment.run("optouts", "list").stderr
    assert [each["id"] for each in json.loads(deployment.run("dead", "list", "--json").stdout)] == ["one"]


def test_a_reveal_is_on_record_before_it_is_shown(deployment: Deployment) -> None:
    deployment.accept("one")
    assert deployment.run("events", "show", "one").code == 0
    assert deployment.run("events", "show", "one", "--reveal").code == 0
    assert deployment.run("optouts", "list", "--reveal").code == 0
    assert deployment.run("events", "export", "--raw").code == 0
    exported, listed, shown = logged(deployment)
    assert (shown["action"], shown["about"]) == ("events show", {"reveal": True, "event_id": "one"})
    assert (listed["action"], exported["action"]) == ("optouts list", "events export")


def test_the_log_is_filtered_by_person_action_and_time(deployment: Deployment) -> None:
    for name, action in (("ann", "dead retry"), ("ben", "dead drop"), ("ann", "deadline")):
        deployment.ask(partial(record_action, actor=Actor(name, "dashboard"), action=action, about={}))
    assert [each["action"] for each in logged(deployment, "--actor", "ann")] == ["deadline", "dead retry"]
    assert [each["action"] for each in logged(deployment, "--action", "dead")] == ["dead drop", "dead retry"]
    assert [each["action"] for each in logged(deployment, "--action", "dead", "--limit", "1")] == ["dead drop"]
    assert logged(deployment, "--until", "2026-01-01") == []
    assert len(logged(deployment, "--since", "5m")) == 3
    assert "dead drop" in deployment.run("audit", "log").stdout


@pytest.mark.more_rights("the test asks by XLEN")
def test_the_log_is_bounded_and_read_in_pages(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "MAX_ENTRIES", 100)
    monkeypatch.setattr(audit_log, "PAGE", 7)

    async def fill(store: Store) -> list[int]:
        for number in range(300):
            about = {"number": number, "ids": [str(each) for each in range(1000)], "text": "x" * 10_000}
            await record_action(store, Actor("ann", "dashboard"), "act", about)
        first = await audit_entries(store, limit=20)
        second = await audit_entries(store, limit=20, before=first[-1].id)
        assert len(str(first[0].about)) < 1000
        return [each.about["number"] for each in (*first, *second)]

    assert deployment.ask(fill) == list(range(299, 259, -1))
    left: Any = deployment.redis.xlen(deployment.keys.audit_log)
    assert left < 300
    assert MAX_ENTRIES == 50_000
