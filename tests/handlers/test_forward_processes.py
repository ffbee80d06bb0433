"""Forwarding through real processes that are killed: nothing is lost, and what comes twice can be told."""

import threading
from pathlib import Path

import orjson
import pytest
from standardwebhooks import Webhook

from tests.handlers.receiving import receiving
from tests.processes.fleet import open_fleet
from tests.telnyx_events import envelope
from tests.waiting import wait_for

BUILT_IN = "import handlers\nrouter = handlers.router\n"
SECRET = "whsec_cmluZ2JhY2sgbWlncmF0aW9uIGRvY3VtZW50YXRpb24="


@pytest.mark.slow
def test_a_worker_killed_between_request_and_answer_sends_again_under_the_same_id(tmp_path: Path) -> None:
    with (
        receiving() as receiver,
        open_fleet(tmp_path, BUILT_IN, RINGBACK_FORWARD_URL=receiver.url, RINGBACK_FORWARD_SECRET=SECRET) as fleet,
    ):
        receiver.hold = threading.Event()
        fleet.start_ingress()
        worker = fleet.start_worker()
        events = [envelope("test.x", {"n": n}) for n in range(10)]
        fleet.accepted(*events)
        wait_for(lambda: len(receiver.posted) == len(events))
        worker.kill()
        worker.wait()
        receiver.hold.set()
        fleet.start_worker()

        records = [fleet.ended(event) for event in events]

    assert {(record.state, record.handlers["forward"].attempts) for record in records} == {("done", 0)}
    ids = [posted.headers["webhook-id"] for posted in receiver.posted]
    assert sorted(ids) == sorted(2 * [event["data"]["id"] for event in events])
    for posted in receiver.posted:
        assert Webhook(SECRET).verify(posted.body, posted.headers)["data"]["id"] == posted.headers["webhook-id"]
    assert {posted.body for posted in receiver.posted} == {orjson.dumps(event) for event in events}


@pytest.mark.slow
def test_nothing_of_the_receivers_address_or_the_secret_is_logged(tmp_path: Path) -> None:
    with receiving() as receiver:
        url = f"{receiver.url}?token=hunter2".replace("://", "://user:hunter2@")
        for status in (500, 401, 302, 410):
            receiver.answer(status)
        with open_fleet(
            tmp_path, BUILT_IN, RINGBACK_FORWARD_URL=url, RINGBACK_FORWARD_SECRET=SECRET, RINGBACK_MAX_ATTEMPTS="1"
        ) as fleet:
            fleet.start_ingress()
            fleet.start_worker()
            for _ in range(5):
                fleet.accepted(event := envelope("test.x", {"text": "my secret words"}))
                fleet.ended(event)
        logged = "".join(path.read_text() for path in tmp_path.glob("*.log"))

    assert len(receiver.posted) == 4
    assert "the receiver answered 410" in logged
    for private in ("hunter2", SECRET, "secret words", receiver.url):
        assert private not in logged
