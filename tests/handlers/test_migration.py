"""docs/migrate.md: an unchanged service behind Ringback, which may be away for a while, and loses nothing."""

import io
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import flask
import orjson
import pytest

import handlers
from service.cli.demo.stack import free_port
from service.settings import Settings
from service.store.inbox.audit import audit
from service.store.inbox.records import EventRecord
from service.worker import outcomes
from tests.documented import block_with, executed
from tests.handlers.receiving import served
from tests.stack import Host, open_stack
from tests.telnyx_events import envelope, fresh_number, received_sms
from tests.waiting import wait_for

PAGE = "migrate.md"
SECRET = "whsec_cmluZ2JhY2sgbWlncmF0aW9uIGRvY3VtZW50YXRpb24="


@dataclass
class Taken:
    """Stands before a Flask application, and sees which events it took and how often it refused one."""

    app: flask.Flask
    ids: list[str] = field(default_factory=list)
    refused: int = 0

    def __post_init__(self) -> None:
        self.inner, self.app.wsgi_app = self.app.wsgi_app, self  # type: ignore[method-assign]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self.app.request_context(environ):
            body = flask.request.get_data()

        def note(status: str, *rest: Any) -> Any:
            if status.startswith("2"):
                self.ids.append(orjson.loads(body)["data"]["id"])
            else:
                self.refused += 1
            return start_response(status, *rest)

        return self.inner({**environ, "wsgi.input": io.BytesIO(body)}, note)


def the_service(monkeypatch: pytest.MonkeyPatch, settings: Settings, words: str) -> Taken:
    """The service of the page whose code contains `words`, with the environment that it asks for."""
    assert settings.public_key is not None
    monkeypatch.setenv("TELNYX_API_KEY", "KEY")
    monkeypatch.setenv("TELNYX_PUBLIC_KEY", settings.public_key)
    monkeypatch.setenv("RINGBACK_FORWARD_SECRET", SECRET)
    return Taken(executed(block_with(PAGE, "python", words), "service_of_the_customer").app)


def has_failed(record: EventRecord) -> bool:
    return "forward" in record.handlers and record.handlers["forward"].attempts > 0


@pytest.mark.slow
def test_a_service_that_is_down_for_a_while_gets_every_event_once(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with open_stack(host, forward_url=f"http://127.0.0.1:{port}/webhooks") as stack:
        stack.start_worker(handlers.router)
        service = the_service(monkeypatch, stack.settings, "webhooks.unwrap")
        before, meanwhile = ([envelope("test.x", {"n": n}) for n in range(20)] for _ in range(2))

        with served(service.app, port=port):
            for event in before:
                stack.deliver(event)
            assert all(stack.ended(event).state == "done" for event in before)
        for event in meanwhile:
            assert stack.deliver(event).json() == {"status": "accepted"}
        for event in meanwhile:
            stack.when(event, has_failed)
        with served(service.app, port=port):
            # The second attempt comes after a second, the third after 16: a slow machine may need that one.
            ended = [wait_for(lambda: _ended(stack.record(event["data"]["id"])), seconds=40) for event in meanwhile]

        assert {record.state for record in ended} == {"done"}
        assert sorted(service.ids) == sorted(event["data"]["id"] for event in (*before, *meanwhile))
        assert service.refused == 0
        assert stack.ask(audit).clean


def test_after_a_long_outage_our_signature_is_taken_where_that_of_telnyx_is_too_old(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/webhooks"
    with open_stack(host, forward_url=url, forward_secret=SECRET, tolerance=900.0) as stack:
        stack.start_worker(handlers.router, max_attempts=1)
        unchanged = the_service(monkeypatch, stack.settings, "webhooks.unwrap")
        taught = the_service(monkeypatch, stack.settings, "standardwebhooks")
        events = [envelope("test.x", {}) for _ in range(2)]
        states = []
        for event, service in zip(events, (unchanged, taught), strict=True):
            with served(service.app, port=port):
                stack.deliver(event, at=time.time() - 400)
                states.append(stack.ended(event).state)

    assert states == ["dead", "done"]
    assert (unchanged.ids, unchanged.refused) == ([], 1)
    assert taught.ids == [events[1]["data"]["id"]]


@pytest.mark.parametrize("words", ["webhooks.unwrap", "standardwebhooks"])
def test_both_services_refuse_a_forgery(host: Host, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    with open_stack(host) as stack:
        service = the_service(monkeypatch, stack.settings, words)
    forged = {
        "telnyx-timestamp": str(int(time.time())),
        "telnyx-signature-ed25519": "A" * 86 + "==",
        "webhook-id": "1",
        "webhook-timestamp": str(int(time.time())),
        "webhook-signature": "v1,AAAA",
    }
    answer = service.app.test_client().post("/webhooks", data=b'{"data":{"id":"1"}}', headers=forged)
    assert (answer.status_code, service.ids) == (401, [])


@pytest.mark.usefixtures("real_pauses")
@pytest.mark.parametrize(("runs", "seconds"), [(8, 78 * 60), (30, 23.3 * 3600)])
def test_the_attempts_last_as_long_as_the_page_says(monkeypatch: pytest.MonkeyPatch, runs: int, seconds: float) -> None:
    monkeypatch.setattr(outcomes, "JITTER", 0.0)
    assert sum(map(outcomes.backoff, range(1, runs))) == pytest.approx(seconds, rel=0.01)


def test_one_event_type_is_moved_and_the_rest_still_forwarded(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = executed(block_with(PAGE, "python", "auto_reply"), "my_handlers")
    types = dict(line.split("=", 1) for line in block_with(PAGE, "ini", "HANDLERS").splitlines())
    port = free_port()
    url = f"http://127.0.0.1:{port}/webhooks"
    with open_stack(host, forward_url=url, forward_types=types["RINGBACK_FORWARD_TYPES"]) as stack:
        service = the_service(monkeypatch, stack.settings, "webhooks.unwrap")
        stack.start_worker(mine.router)
        number = fresh_number()
        moved = envelope("message.received", received_sms(number, "Are you open?"))
        other = envelope("10dlc.campaign.update", {})
        with served(service.app, port=port):
            for event in (moved, other):
                stack.deliver(event)
            assert [stack.ended(event).state for event in (moved, other)] == ["done", "done"]
        assert [each.body["text"] for each in stack.sent_to(number)] == ["Thanks, we will call you back."]

    assert service.ids == [other["data"]["id"]]


def _ended(record: EventRecord | None) -> EventRecord | None:
    return record if record is not None and record.state != "open" else None
