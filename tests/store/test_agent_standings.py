"""How far RCS agents have come, and which phones try them."""

import pytest
from redis.asyncio import Redis

from service import clock
from service.security.encryption import PLAIN
from service.store.facts import rcs_agents, remembered
from service.store.facts.rcs_agents import AgentStanding
from service.store.facts.remembered import Capability
from service.store.store import Store
from tests.pending import pending
from tests.store.half_way import new_world

NOW = 1_790_000_000.0
A, B = "+13125550142", "+13125550143"


@pytest.fixture
def store(server: "Redis") -> Store:
    return Store(server, new_world(server).keys.namespace, PLAIN)


@pytest.mark.parametrize(
    ("known", "now", "since", "lost_at"),
    [
        (None, AgentStanding(True, False, ("a",)), NOW, 0.0),
        (AgentStanding(True, False, ("a",), since=5, lost_at=3), AgentStanding(True, True, ("a",)), 5, 3),
        (AgentStanding(True, False, ("a",), since=5, lost_at=3), AgentStanding(True, False, ("a", "b")), NOW, 3),
        (AgentStanding(True, False, ("a", "b"), since=5, lost_at=3), AgentStanding(True, False, ("a",)), NOW, NOW),
        (AgentStanding(True, False, ("a",), since=5, lost_at=3), AgentStanding(False, False, ("a",)), NOW, NOW),
        (AgentStanding(False, True, (), since=5, lost_at=3), AgentStanding(True, False, ()), NOW, 3),
        (AgentStanding(True, False, ("a",), since=5, lost_at=3), AgentStanding(True, False, ("b",)), NOW, NOW),
    ],
)
def test_a_standing_remembers_when_approvals_changed_and_were_lost(
    known: AgentStanding | None, now: AgentStanding, since: float, lost_at: float
) -> None:
    with clock.moved(lambda: NOW):
        after = now.after(known)
    assert (after.since, after.lost_at) == (since, lost_at)
    assert (after.launched, after.pending, after.approved) == (now.launched, now.pending, now.approved)


@pytest.mark.anyio
async def test_agents_that_are_gone_are_forgotten(store: Store) -> None:
    first = {"one": AgentStanding(True, False, ("a",), ("T-Mobile",)), "two": AgentStanding(False, True, (), ("AT&T",))}
    with clock.moved(lambda: NOW):
        await rcs_agents.note_standings(store, first)
        await rcs_agents.note_standings(store, {"one": AgentStanding(True, False, ("a",), ())})
    assert await rcs_agents.agent_standings(store) == {"one": AgentStanding(True, False, ("a",), (), since=NOW)}
    assert not await store.redis.exists(store.keys.rcs_unapproved)
    with clock.moved(lambda: NOW + 9):
        await rcs_agents.note_standings(store, first)
    assert await pending(store.redis.smembers(store.keys.rcs_unapproved)) == {b"one", b"two"}
    assert (await rcs_agents.agent_standings(store))["one"].since == NOW
    await rcs_agents.note_standings(store, {})
    assert await rcs_agents.agent_standings(store) == {}
    assert not await store.redis.exists(store.keys.rcs_unapproved)


@pytest.mark.anyio
async def test_a_test_device_that_is_taken_off_is_no_longer_tried(store: Store) -> None:
    await rcs_agents.note_standings(store, {"trial": AgentStanding(False, True)})
    await remembered.remember(store, "trial", {A: Capability(("X",)), B: Capability(("X",))})
    await rcs_agents.note_test_devices(store, "trial", [A], [])
    # A new one is asked about again.
    assert await remembered.recall(store, "trial", [A, B]) == {B: Capability(())}
    await remembered.remember(store, "trial", {A: Capability(("X", "Y"))})
    await rcs_agents.note_test_devices(store, "trial", [A], [B])
    assert await remembered.recall(store, "trial", [A]) == {A: Capability(("X", "Y"))}
    await rcs_agents.note_test_devices(store, "trial", [], [A])
    assert await remembered.recall(store, "trial", [A]) == {A: Capability(())}
    assert 0 < await store.redis.ttl(store.keys.rcs(PLAIN.hide(A))) <= remembered.REMEMBERED


@pytest.mark.parametrize(
    ("features", "wanted", "expected"),
    [
        ((), (), False),
        (("X",), (), True),
        (("X",), ("X",), True),
        (("X",), ("X", "GENERIC_RCS_FEATURE"), True),
        (("X",), ("X", "Y"), False),
        (("GENERIC_RCS_FEATURE",), ("X",), False),
        (("GENERIC_RCS_FEATURE",), ("GENERIC_RCS_FEATURE",), True),
        (("X", "Y"), ("X",), True),
    ],
)
def test_a_phone_has_features(features: tuple[str, ...], wanted: tuple[str, ...], *, expected: bool) -> None:
    assert Capability(features).has(wanted) is expected
    assert Capability(features).capable is bool(features)
