"""The audit log: its entries are found by who, what and when."""

from typing import Any

import pytest

from service.store.operators import audit_log
from service.store.operators.audit_log import Actor, AuditEntry, audit_entries, record_action
from service.store.store import Store
from tests.stack import Stack
from tests.telnyx_events import fresh_number


def test_entries_are_found_by_actor_and_by_the_beginning_of_an_action(stack: Stack) -> None:
    async def found(store: Store) -> list[list[str]]:
        for name, action in (("ann", "dead retry"), ("bob", "dead drop"), ("ann", "deadline"), ("bob", "erase")):
            await record_action(store, Actor(name, "command"), action, {})
        entries = [
            await audit_entries(store),
            await audit_entries(store, actor="ann"),
            await audit_entries(store, action="dead"),
            await audit_entries(store, actor="bob", action="dead"),
            await audit_entries(store, limit=1),
        ]
        return [[f"{each.actor} {each.action}" for each in page] for page in entries]

    assert stack.ask(found) == [
        ["bob erase", "ann deadline", "bob dead drop", "ann dead retry"],
        ["ann deadline", "ann dead retry"],
        ["bob dead drop", "ann dead retry"],
        ["bob dead drop"],
        ["bob erase"],
    ]


async def raw(store: Store, *entries: tuple[str, dict[Any, Any]]) -> None:
    for identity, fields in entries:
        await store.redis.xadd(store.keys.audit_log, fields, id=identity)


def test_entries_are_found_by_time_and_page_by_page(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "PAGE", 2)

    async def found(store: Store) -> list[list[tuple[str, int]]]:
        known: dict[Any, Any] = {"actor": "ann", "by": "command", "action": "erase", "about": "{}"}
        places = ("5-0", "5-1", "6-0", "9-2", "9-3")
        await raw(store, *((each, known | {"actor": "bob"} if each == "6-0" else known) for each in places))
        entries = [
            await audit_entries(store),
            await audit_entries(store, since=6),
            await audit_entries(store, until=6),
            await audit_entries(store, since=5, until=8, actor="ann"),
            await audit_entries(store, before="9-2"),
            await audit_entries(store, actor="ann", limit=3),
            await audit_entries(store, actor="nobody"),
        ]
        return [[(each.id, each.at) for each in page] for page in entries]

    assert stack.ask(found) == [
        [("9-3", 9), ("9-2", 9), ("6-0", 6), ("5-1", 5), ("5-0", 5)],
        [("9-3", 9), ("9-2", 9), ("6-0", 6)],
        [("6-0", 6), ("5-1", 5), ("5-0", 5)],
        [("5-1", 5), ("5-0", 5)],
        [("6-0", 6), ("5-1", 5), ("5-0", 5)],
        [("9-3", 9), ("9-2", 9), ("5-1", 5)],
        [],
    ]


def test_an_entry_is_bounded_and_holds_no_number(stack: Stack) -> None:
    number = fresh_number()
    about = {
        "ids": [f"id-{each}-12345678901234" for each in range(23)],
        "few": list(range(20)),
        "text": "x" * 300,
        "number": number,
        "numbers": {number},
        **dict.fromkeys(("none", "no", "empty", "nothing", "void"), None),
        "no": False,
        "empty": "",
        "nothing": [],
        "void": (),
    }

    async def recorded(store: Store) -> AuditEntry:
        identity = await record_action(store, Actor("a" * 300, "dashboard"), "erase", about)
        [entry] = await audit_entries(store)
        assert entry.id == identity
        return entry

    entry = stack.ask(recorded)
    assert (entry.actor, entry.by, entry.action) == ("a" * 200, "dashboard", "erase")
    assert entry.about["ids"] == [*about["ids"][:20], "and 3 more"]  # type: ignore[index]
    assert entry.about["few"] == list(range(20))
    assert entry.about["text"] == "x" * 200
    assert number not in str(entry.about)
    assert set(entry.about) == {"ids", "few", "text", "number", "numbers"}


def test_an_entry_that_is_damaged_is_read_as_far_as_it_goes(stack: Stack) -> None:
    async def read(store: Store) -> list[AuditEntry]:
        await raw(store, ("1-0", {"about": "odd"}), ("2-0", {"actor": b"\xff", "about": "[1]"}), ("3-7", {"x": "y"}))
        return await audit_entries(store)

    assert stack.ask(read) == [
        AuditEntry("3-7", 3, "", "", ""),
        AuditEntry("2-0", 2, "\N{REPLACEMENT CHARACTER}", "", ""),
        AuditEntry("1-0", 1, "", "", ""),
    ]
