"""The owner of a deployment's slot in a cluster, by what its servers say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis import exceptions
from redis.crc import key_slot

from service.processes.redis_url import Address, RedisTarget
from service.store.cluster import SlotOwner
from tests.chaos.proxy import open_proxy

FIRST, SECOND, THIRD = ("one", 7001), ("two", 7002), ("three", 7003)
SLOT = key_slot(b"{ns}")


class Owner(SlotOwner):
    """Servers that answer from a table. One that is missing there cannot be reached."""

    def answering(self, answers: Mapping[Address, Any]) -> "Owner":
        self.answers, self.asked = answers, list[Address]()
        return self

    def _ask(self, server: Address) -> Any:
        self.asked.append(server)
        if server not in self.answers:
            raise OSError("no answer")
        return self.answers[server]


def owner(answers: Mapping[Address, Any]) -> Owner:
    return Owner(RedisTarget((FIRST, SECOND), cluster=True), "{ns}", {}).answering(answers)


def row(first: int, last: int, *servers: tuple[bytes | None, int]) -> list[Any]:
    return [first, last, *([name, port, b"id"] for name, port in servers)]


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        ([row(0, 16383, (b"a", 1), (b"b", 2))], ("a", 1)),
        ([row(0, SLOT - 1, (b"a", 1)), row(SLOT, SLOT, (b"b", 2)), row(SLOT + 1, 16383, (b"c", 3))], ("b", 2)),
        ([row(SLOT, 16383, (b"a", 1)), row(0, SLOT - 1, (b"b", 2))], ("a", 1)),
        ([row(0, SLOT, (b"", 1))], ("one", 1)),
        ([row(0, SLOT, (None, 1))], ("one", 1)),
        ([row(0, SLOT, (b"?", 1), (b"b", 2))], ("b", 2)),
    ],
)
def test_the_owner_is_the_first_server_of_the_row_with_the_slot(slots: Any, expected: Address) -> None:
    assert owner({FIRST: slots}).find() == expected


def test_a_server_that_does_not_answer_is_asked_last() -> None:
    found = owner({SECOND: [row(0, 16383, (b"three", 7003))]})
    assert found.find() == THIRD
    assert found.asked == [FIRST, SECOND]
    assert found.find() == THIRD
    assert found.asked == [FIRST, SECOND, SECOND]


def test_servers_that_an_answer_names_are_asked_when_the_others_are_gone() -> None:
    found = owner({FIRST: [row(0, SLOT - 1, (b"two", 7002)), row(SLOT, SLOT, (b"three", 7003))]})
    assert found.find() == THIRD
    found.answering({THIRD: [row(SLOT, SLOT, (b"three", 7003))]})
    assert found.find() == THIRD
    assert found.asked == [FIRST, SECOND, THIRD]
    assert sorted(found._servers) == sorted({FIRST, SECOND, THIRD})


@pytest.mark.parametrize(
    "answers", [{}, {FIRST: [row(0, SLOT - 1, (b"a", 1))], SECOND: []}, {FIRST: [row(SLOT, SLOT, (b"?", 1))]}]
)
def test_without_an_owner_it_is_said(answers: Mapping[Address, Any]) -> None:
    with pytest.raises(exceptions.ConnectionError, match="no server of the cluster owns the slot"):
        owner(answers).find()


def test_a_server_that_is_in_no_cluster_is_no_owner(redis_url: str) -> None:
    with open_proxy(Path(urlsplit(redis_url).path)) as proxy:
        target = RedisTarget((("127.0.0.1", proxy.port),), cluster=True)
        with pytest.raises(exceptions.ConnectionError, match="no server of the cluster") as raised:
            SlotOwner(target, "{ns}", {}).find()
    assert "cluster support disabled" in str(raised.value.__cause__)
