"""Keeps the latest status of every message and recipient in a table of PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg_pool import AsyncConnectionPool
from pydantic import SecretStr
from pydantic_settings import BaseSettings

import handlers
from service import Context, Discard, Event, Router
from service.events import Message

TABLE = """
CREATE TABLE IF NOT EXISTS message_statuses (
    message_id text NOT NULL,
    recipient text NOT NULL,
    channel text NOT NULL,
    status text NOT NULL,
    error text,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (message_id, recipient)
)"""
# Events arrive in any order, and a handler may run again. The condition keeps the latest status in either case.
KEEP_LATEST = """
INSERT INTO message_statuses AS kept (message_id, recipient, channel, status, error, changed_at)
VALUES (%s, %s, %s, %s, %s, coalesce(%s, now()))
ON CONFLICT (message_id, recipient) DO UPDATE
SET (channel, status, error, changed_at) = (excluded.channel, excluded.status, excluded.error, excluded.changed_at)
WHERE kept.changed_at < excluded.changed_at"""


class DatabaseSettings(BaseSettings):
    """`DATABASE_URL`, such as `postgresql://ringback:secret@db/messages`."""

    database_url: SecretStr


@asynccontextmanager
async def database() -> AsyncIterator[AsyncConnectionPool]:
    """Yield the connections of a worker, and make the table where it is missing."""
    url = DatabaseSettings().database_url.get_secret_value()
    async with AsyncConnectionPool(url, min_size=1, max_size=4, check=AsyncConnectionPool.check_connection) as pool:
        async with pool.connection() as connection:
            await connection.execute(TABLE)
        yield pool


statuses = Router(lifespan=database, settings=DatabaseSettings)


@statuses.on("message.sent", "message.finalized", "message.read")
async def statuses_to_postgres(event: Event[Message], ctx: Context) -> None:
    """Write one row for each recipient. A database that is down costs an attempt."""
    message = event.payload
    if message.id is None:
        raise Discard("no_message_id")
    error = message.errors[0].code if message.errors else None
    rows = [
        (message.id, to.phone_number or "unknown", message.type or "", to.status or "", error, event.occurred_at)
        for to in message.to
    ]
    async with ctx.state.connection() as connection, connection.cursor() as cursor:
        await cursor.executemany(KEEP_LATEST, rows)


router = Router(handlers.router, statuses)
