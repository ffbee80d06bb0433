"""Forwarding: what reaches the customer's own service, and what its answers mean."""

import base64
import hashlib
import itertools
import secrets
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import flask
import orjson
import pytest
from nacl.signing import VerifyKey
from standardwebhooks import Webhook

import handlers
from handlers import forward
from handlers.forward import ReceiverFailed, ReceiverRedirected, ReceiverRefused
from service import Context, Event, Router
from service.cli.demo.stack import free_port
from service.security.telnyx_signature import SIGNATURE_HEADER, TIMESTAMP_HEADER
from service.settings import InvalidSettings, Settings, load
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.maintenance import prune_bodies
from service.store.inbox.records import EventRecord
from service.worker.startup_warnings import warnings_for
from tests.handlers.receiving import Receiver, receiving, served
from tests.stack import Host, Stack, make_settings, open_stack
from tests.telnyx_events import envelope, fresh_number, received_sms
from tests.tiers import slow

SECRET = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


@pytest.fixture
def forwarding(host: Host, receiver: Receiver) -> Iterator[Stack]:
    """A stack that forwards everything, with the built-in handlers."""
    with open_stack(host, forward_url=receiver.url, forward_secret=SECRET) as stack:
        yield stack


def something(**payload: Any) -> dict[str, Any]:
    return envelope("test.something", {"number": fresh_number(), **payload})


def ended(record: EventRecord) -> HandlerRecord:
    assert set(record.handlers) == {"forward"}
    return record.handlers["forward"]


def has_run(record: EventRecord) -> bool:
    return "forward" in record.handlers and record.handlers["forward"].reason is not None


def test_the_body_arrives_byte_for_byte_with_both_signatures(forwarding: Stack, receiver: Receiver) -> None:
    forwarding.start_worker(handlers.router)
    raw = (
        b'{ "data": {"id": "\xc3\xa9t\xc3\xa9", "event_type":"test.x" , "payload":{"n": 1.0}},\n "meta":{"attempt":1} }'
    )
    raw = raw.replace("été".encode(), b"evt-1")

    assert forwarding.deliver(raw).json() == {"status": "accepted"}

    assert forwarding.ended("evt-1").state == "done"
    [posted] = receiver.posted
    assert (posted.path, posted.body) == ("/webhooks", raw)
    assert posted.headers["content-type"] == "application/json"
    signature = base64.b64decode(posted.headers[SIGNATURE_HEADER])
    VerifyKey(bytes(forwarding.signing_key.verify_key)).verify(
        posted.headers[TIMESTAMP_HEADER].encode() + b"|" + raw, signature
    )
    assert posted.headers["webhook-id"] == "evt-1"
    assert Webhook(SECRET).verify(posted.body, posted.headers) == orjson.loads(raw)


@pytest.mark.parametrize(
    ("event_id", "sent_as"),
    [
        ("ab-1:x~y_z", "ab-1:x~y_z"),
        ("evt.1700000000", "sha256:" + hashlib.sha256(b"evt.1700000000").hexdigest()),
        (" padded ", "sha256:" + hashlib.sha256(b" padded ").hexdigest()),
    ],
)
def test_an_id_that_a_header_or_the_signed_form_would_not_carry_is_sent_as_its_hash(
    forwarding: Stack, receiver: Receiver, event_id: str, sent_as: str
) -> None:
    forwarding.start_worker(handlers.router)
    forwarding.deliver(envelope("test.x", {}, event_id=event_id))
    forwarding.ended(event_id)

    [posted] = receiver.posted
    assert posted.headers["webhook-id"] == sent_as
    Webhook(SECRET).verify(posted.body, posted.headers)


def test_while_a_secret_is_replaced_both_sign(host: Host, receiver: Receiver) -> None:
    old, new = SECRET, base64.b64encode(bytes(range(24))).decode()
    with open_stack(host, forward_url=receiver.url, forward_secret=f"{new}, {old}") as stack:
        stack.start_worker(handlers.router)
        stack.deliver(event := something())
        stack.ended(event)

    [posted] = receiver.posted
    for secret in (old, new):
        Webhook(secret).verify(posted.body, posted.headers)


def test_without_a_secret_nothing_of_ours_is_signed(host: Host, receiver: Receiver) -> None:
    with open_stack(host, forward_url=receiver.url) as stack:
        stack.start_worker(handlers.router)
        stack.deliver(event := something())
        stack.ended(event)

    [posted] = receiver.posted
    assert "webhook-signature" not in posted.headers
    assert posted.headers["webhook-id"] == event["data"]["id"]
    assert SIGNATURE_HEADER in posted.headers


def test_a_redelivery_is_forwarded_no_second_time_and_failover_is_forwarded_too(
    forwarding: Stack, receiver: Receiver
) -> None:
    forwarding.start_worker(handlers.router)
    event = something()
    for path in ("/webhooks/failover", "/webhooks"):
        assert forwarding.deliver(event, path=path).status_code == 200

    assert forwarding.ended(event).arrived_by == "failover"
    assert len(receiver.posted) == 1
    assert SIGNATURE_HEADER in receiver.posted[0].headers


def test_nothing_is_forwarded_and_no_signature_kept_unless_configured(stack: Stack) -> None:
    stack.start_worker(handlers.router)
    stack.deliver(event := something())

    record = stack.ended(event)
    assert (record.state, record.handlers, record.signature_headers) == ("ignored", {}, None)


def test_the_signature_goes_with_the_body(forwarding: Stack) -> None:
    forwarding.start_worker(handlers.router)
    forwarding.deliver(event := something())
    assert forwarding.ended(event).signature_headers is not None

    forwarding.ask(lambda store: prune_bodies(store, older_than=0))

    record = forwarding.record(event["data"]["id"])
    assert record is not None
    assert (record.body, record.signature_headers, record.arrived_by) == (None, None, "webhook")


def test_410_is_done_and_nothing_more_goes_to_that_url_from_any_worker(forwarding: Stack, receiver: Receiver) -> None:
    forwarding.start_worker(handlers.router)
    receiver.answer(410)
    first, second, third = something(), something(), something()
    forwarding.deliver(first)
    assert ended(forwarding.ended(first)).reason == "receiver_gone"
    forwarding.workers.close()

    forwarding.start_worker(handlers.router)
    forwarding.deliver(second)
    assert ended(forwarding.ended(second)).reason == "receiver_gone"
    assert len(receiver.posted) == 1

    forwarding.workers.close()
    forwarding.start_worker(handlers.router, forward_url=f"{receiver.url}#again")
    forwarding.deliver(third)
    assert ended(forwarding.ended(third)).reason is None
    assert [posted.path for posted in receiver.posted] == ["/webhooks", "/webhooks"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_receiver_says_when_and_that_costs_no_attempt(
    forwarding: Stack, receiver: Receiver, status: int
) -> None:
    forwarding.start_worker(handlers.router, max_attempts=1)
    receiver.answer(status, retry_after="1000")
    before = forwarding.deliver(event := something()).elapsed.total_seconds()
    assert before < 5

    waiting = ended(forwarding.when(event, has_run))
    assert (waiting.state, waiting.attempts, waiting.reason) == ("waiting", 0, "receiver_busy")
    record = forwarding.record(event["data"]["id"])
    assert record is not None
    assert 990_000 < waiting.due - record.received_at < 1_010_000


def test_a_receiver_that_was_busy_gets_the_event_then(forwarding: Stack, receiver: Receiver) -> None:
    forwarding.start_worker(handlers.router)
    receiver.answer(503, retry_after="0")
    forwarding.deliver(event := something())

    assert ended(forwarding.ended(event)).attempts == 0
    first, second = receiver.posted
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    # Its own pause is kept even where none is asked for, and each attempt is signed anew.
    assert int(second.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
    Webhook(SECRET).verify(second.body, second.headers)
    assert first.headers[SIGNATURE_HEADER] == second.headers[SIGNATURE_HEADER]


@pytest.mark.parametrize(
    ("status", "headers", "named"),
    [
        (500, {}, ReceiverFailed),
        (503, {}, ReceiverFailed),
        (502, {"retry_after": "1"}, ReceiverFailed),
        (503, {"retry_after": "soon"}, ReceiverFailed),
        (404, {}, ReceiverRefused),
        (400, {}, ReceiverRefused),
        (302, {"location": "/elsewhere"}, ReceiverRedirected),
        (304, {}, ReceiverRedirected),
    ],
)
def test_every_other_answer_is_a_failure_and_dead_after_the_attempts(
    forwarding: Stack, receiver: Receiver, status: int, headers: dict[str, str], named: type[Exception]
) -> None:
    forwarding.start_worker(handlers.router, max_attempts=1)
    receiver.answer(status, **headers)
    forwarding.deliver(event := something())

    record = forwarding.ended(event)
    assert (record.state, ended(record).reason, ended(record).attempts) == ("dead", named.__name__, 1)
    assert record.body == orjson.dumps(event)
    assert [posted.path for posted in receiver.posted] == ["/webhooks"], "a redirect is not followed"


def test_a_receiver_that_is_not_there_is_tried_again(host: Host) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/webhooks"
    with open_stack(host, forward_url=nobody) as stack:
        stack.start_worker(handlers.router)
        stack.deliver(event := something())
        waiting = ended(stack.when(event, has_run))

    assert (waiting.state, waiting.attempts, waiting.reason) == ("waiting", 1, "error")
    assert waiting.error is not None
    assert waiting.error.startswith("ConnectError at forward.py:")


@cache
def _bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1024**2)) for _ in range(64)) + packer.flush()


BOMBS: dict[str, Callable[[], Iterable[bytes]]] = {
    "compressed": lambda: [_bomb()],
    "endless": lambda: itertools.repeat(b"x" * 65536),
    "endless and slow": lambda: _drops(),  # noqa: PLW0108 - it is defined below
}
"""Answers that would fill the memory, or never end."""


def _drops() -> Iterator[bytes]:
    while True:
        yield b"x"
        time.sleep(0.05)


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("status", [200, *slow(500)])
def test_what_is_read_of_an_answer_is_bounded(host: Host, name: str, status: int) -> None:
    sent: list[int] = []
    stop, _ = threading.Event(), _bomb()
    app = flask.Flask("bomb")

    def answer() -> flask.Response:
        def body() -> Iterator[bytes]:
            for piece in BOMBS[name]():
                if stop.is_set() or sum(sent) > 256 * 1024**2:
                    return
                sent.append(len(piece))
                yield piece

        headers = {"content-encoding": "gzip"} if name == "compressed" else {}
        return flask.Response(body(), status=status, headers=headers)

    app.add_url_rule("/webhooks", view_func=answer, methods=["POST"])
    with served(app) as address, open_stack(host, forward_url=f"{address}/webhooks") as stack:
        stack.start_worker(handlers.router, max_attempts=1)
        tracemalloc.start()
        try:
            stack.deliver(event := something())
            state = stack.ended(event).state
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            stop.set()

    assert state == ("done" if status == 200 else "dead")
    assert peak < 16 * 1024**2
    assert name == "compressed" or sum(sent) < 16 * 1024**2


def test_only_the_types_that_are_named_are_forwarded(host: Host, receiver: Receiver) -> None:
    with open_stack(host, forward_url=receiver.url, forward_types="message.sent, 10dlc.*") as stack:
        stack.start_worker(Router(forward.router))
        wanted = [envelope("message.sent", {}), envelope("10dlc.campaign.update", {})]
        others = [envelope("message.read", {}), envelope("10dlc", {})]
        for event in (*wanted, *others):
            stack.deliver(event)

        assert [stack.ended(event).state for event in (*wanted, *others)] == ["done", "done", "ignored", "ignored"]
    assert sorted(orjson.loads(posted.body)["data"]["id"] for posted in receiver.posted) == sorted(
        event["data"]["id"] for event in wanted
    )


def test_a_type_may_be_left_out(host: Host, receiver: Receiver) -> None:
    with open_stack(host, forward_url=receiver.url, forward_types="*,!message.received") as stack:
        stack.start_worker(Router(forward.router))
        left_out, forwarded = envelope("message.received", received_sms(fresh_number(), "x")), something()
        for event in (left_out, forwarded):
            stack.deliver(event)

        assert ended(stack.ended(left_out)).reason == "not_selected"
        assert ended(stack.ended(forwarded)).reason is None
    assert len(receiver.posted) == 1


@pytest.mark.parametrize(("types", "forwarded"), [("*", False), ("*,order.*", True)])
def test_an_event_of_our_own_is_forwarded_only_where_it_is_named(
    host: Host, receiver: Receiver, types: str, *, forwarded: bool
) -> None:
    router = Router(forward.router)

    @router.on("test.something")
    async def derive(event: Event[Any], ctx: Context) -> None:
        await ctx.emit("order.changed", {"n": 1}, key=event.id)

    with open_stack(host, forward_url=receiver.url, forward_types=types, forward_secret=SECRET) as stack:
        stack.start_worker(router)
        stack.deliver(event := something())
        stack.ended(event)
        derived = stack.ended(f"emit:{event['data']['id']}")

    assert ended(derived).reason == (None if forwarded else "not_selected")
    ours = [posted for posted in receiver.posted if SIGNATURE_HEADER not in posted.headers]
    assert len(ours) == forwarded
    for posted in ours:
        assert Webhook(SECRET).verify(posted.body, posted.headers)["data"]["event_type"] == "order.changed"


def test_what_was_to_be_forwarded_ends_when_forwarding_is_switched_off(forwarding: Stack, receiver: Receiver) -> None:
    receiver.answer(503, retry_after="2")
    forwarding.start_worker(handlers.router)
    forwarding.deliver(event := something())
    forwarding.when(event, has_run)
    forwarding.workers.close()

    forwarding.start_worker(handlers.router, forward_url=None)
    assert ended(forwarding.ended(event)).reason == "not_armed"
    assert len(receiver.posted) == 1


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"RINGBACK_FORWARD_URL": "example.com/webhooks"}, "RINGBACK_FORWARD_URL: give the whole address"),
        ({"RINGBACK_FORWARD_URL": "https:///webhooks"}, "RINGBACK_FORWARD_URL: names no host"),
        ({"RINGBACK_FORWARD_URL": "https://host:99999/"}, "RINGBACK_FORWARD_URL: "),
        ({"RINGBACK_FORWARD_TYPES": "message.*.x"}, "RINGBACK_FORWARD_TYPES: 'message.*.x' is no event type"),
        ({"RINGBACK_FORWARD_TYPES": "message.sent,,"}, "RINGBACK_FORWARD_TYPES: '' is no event type"),
        ({"RINGBACK_FORWARD_TYPES": "!message.sent"}, "RINGBACK_FORWARD_TYPES: nothing is selected"),
        ({"RINGBACK_FORWARD_SECRET": "hunter2"}, "RINGBACK_FORWARD_SECRET: give whsec_"),
        ({"RINGBACK_FORWARD_SECRET": "whsec_aHVudGVyMg=="}, "this one has 7"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings) as refused:
        load()
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_what_will_not_be_forwarded_is_said_at_the_start() -> None:
    settings: Settings = make_settings(
        forward_url="https://host/webhooks", sms_from="+13125550199", public_url="https://hooks.example.com"
    )
    alone = Router(handlers.consent.router, handlers.sms_fallback.router)
    assert "HANDLERS has no forward" in warnings_for(alone, settings)[0]
    assert warnings_for(handlers.router, settings) == []
    secret = make_settings(forward_secret=SECRET, sms_from="+13125550199")
    assert "nothing is forwarded" in warnings_for(handlers.router, secret)[0]
