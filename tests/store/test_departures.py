"""After a connection has left a wrong server, each other one of the process connects once more, and once only."""

import pytest
from redis.asyncio import Redis

from service.store.connection_kinds import Departures, _BlockingSocketConnection, _SocketConnection


@pytest.mark.anyio
async def test_a_connection_from_before_a_departure_is_made_anew_once(server: "Redis") -> None:
    departures = Departures()
    path = server.connection_pool.connection_kwargs["path"]
    connection = _SocketConnection(departures=departures, path=path)
    writers = []
    for left in (0, 0, 1, 1, 1, 2):
        departures.number = left
        await connection.connect()
        writers.append(connection._writer)
    await connection.disconnect()
    assert [each is writers[0] for each in writers] == [True, True, False, False, False, False]
    assert writers[2] is writers[3] is writers[4] is not writers[5]


def test_a_blocking_connection_from_before_a_departure_is_made_anew_once(redis_url: str) -> None:
    departures = Departures()
    connection = _BlockingSocketConnection(departures=departures, path=redis_url.partition("://")[2].partition("?")[0])
    sockets: list[object] = []
    for left in (0, 0, 1, 1, 2):
        departures.number = left
        connection.connect()
        sockets.append(connection._sock)
    connection.disconnect()  # type: ignore[no-untyped-call]
    assert sockets[0] is sockets[1] is not sockets[2]
    assert sockets[2] is sockets[3] is not sockets[4]
