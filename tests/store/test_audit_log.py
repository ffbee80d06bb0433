"""The audit log: its entries are found by who, what and when."""

from service.store.operators.audit_log import Actor, audit_entries, record_action
from service.store.store import Store
from tests.stack import Stack


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
