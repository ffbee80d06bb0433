"""Commands where the memory of Redis is full: an operator may still act, and dropping and erasing make room."""

from collections.abc import Iterator
from typing import Any

import pytest

from service.events.consent import ConsentChange
from service.processes import embedded_server
from service.store.connection import connect_blocking
from service.store.facts.consent import opted_out, record_consent
from service.store.operators.sessions import Session, count_attempt, number_secret, open_session, read_session
from service.store.store import Store
from tests.cli.deployment import Deployment

NUMBER = "+13125550101"


@pytest.fixture
def full(own_server: embedded_server.EmbeddedServer) -> Iterator[Deployment]:
    with connect_blocking(own_server.url, timeout=30) as redis:
        deployment = Deployment(own_server.url, "full", redis)
        deployment.one_of_each()
        deployment.ask(lambda store: record_consent(store, [ConsentChange("+13125550102", "out", 1.0)], now=0))
        deployment.ask(number_secret)
        redis.config_set("maxmemory", 1_000_000)
        yield deployment


def test_an_operator_acts_and_is_on_record_where_the_memory_is_full(full: Deployment) -> None:
    for line in (
        ["events", "list", "--type", "message.*"],
        ["pause"],
        ["resume"],
        ["optouts", "add", NUMBER],
        ["optouts", "list", "--reveal"],
        ["erase", NUMBER, "--yes"],
        ["dead", "drop", "--all", "--yes"],
    ):
        ran = full.run(*line)
        assert (ran.code, "OOM" in ran.stderr) == (0, False), (line, ran)
    assert full.ask(lambda store: opted_out(store, NUMBER))
    assert full.redis.exists(full.keys.event("dead")) == 0
    assert "dead drop" in full.run("audit", "log").stdout


def test_a_user_signs_in_to_the_dashboard_where_the_memory_is_full(full: Deployment) -> None:
    session = Session("ann", "mark")

    async def sign_in(store: Store) -> Session | None:
        assert [await count_attempt(store, "user ann", seconds=300) for _ in range(2)] == [1, 2]
        return await read_session(store, await open_session(store, session, seconds=300))

    assert full.ask(sign_in) == session
    assert full.ask(number_secret) == full.redis.get(full.keys.dashboard_secret)
    redis: Any = full.redis
    for family in (full.keys.session, full.keys.sign_ins):
        [key] = redis.keys(family("*"))
        assert 290 < redis.ttl(key) <= 300
