"""Chaos: whatever strikes processes, servers and links, each event ends as its content demands, and once."""

import dataclasses
import socket
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import httpx
import pytest

from service import Context, Event, Router
from service.security.standard_webhooks import ID_HEADER
from service.store.inbox.handler_records import HandlerRecord, HandlerState
from service.store.inbox.records import EventRecord, EventState
from tests.chaos.customer import REFUSED, Customer, digest, open_customer
from tests.chaos.proxy import Proxy, open_proxy
from tests.chaos.registrations import stopped as stopped_story
from tests.chaos.run import run
from tests.chaos.schedule import KINDS, plan
from tests.chaos.stories import LANE, QUIET, stories
from tests.chaos.story import PROBE_AFTER, Story, Wait
from tests.chaos.verdict import Expected, Verdict, doubled, is_reached, judge_books
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, fresh_number

EVENTS, BETWEEN = 460, 12
"""Of the short run: each kind of fault strikes at least once."""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_run_under_fire_loses_doubles_and_delays_nothing(tmp_path: Path) -> None:
    report = run(tmp_path, seed=1, events=EVENTS, between=BETWEEN, brief=True)
    assert report.wrong == [], f"{report}\n{report.schedule}"
    assert set(report.strikes) == set(KINDS["server"])


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("backend", ["sentinel", "cluster"])
def test_a_run_with_failovers_loses_doubles_and_delays_nothing(tmp_path: Path, backend: str) -> None:
    report = run(tmp_path, seed=1, events=EVENTS, between=BETWEEN, backend=backend)
    print(report)  # noqa: T201 - shown by pytest -rP
    assert report.wrong == [], report.schedule
    assert set(report.strikes) == set(KINDS[backend])


@pytest.mark.parametrize("backend", sorted(KINDS))
def test_a_seed_gives_the_same_run_again(backend: str) -> None:
    assert plan(7, 500, backend, between=10) == plan(7, 500, backend, between=10) != plan(8, 500, backend, between=10)
    assert {each.kind for each in plan(7, EVENTS, backend, between=BETWEEN)} == set(KINDS[backend])
    first, again, other = ([_content(each) for each in stories(seed, 100)] for seed in (7, 7, 8))
    assert first == again != other


def _content(story: Story) -> tuple[str, str, list[str], list[int]]:
    return story.kind, story.number, story.ids, story.again


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "echo"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve(client: socket.socket) -> None:
            with client:
                while data := client.recv(100):
                    client.sendall(data)

        def accept() -> None:
            for _ in range(2):
                threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield path


def _connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def _ended(client: socket.socket) -> bool:
    try:
        return client.recv(100) == b""
    except ConnectionError:
        return True


def test_a_proxy_cuts_stalls_and_refuses(echo: Path) -> None:
    with open_proxy(echo) as proxy:
        with _connected(proxy) as client:
            client.sendall(b"one")
            assert client.recv(100) == b"one"
            proxy.stall()
            client.sendall(b"two")
            client.settimeout(0.1)
            with pytest.raises(TimeoutError):
                client.recv(100)
            client.settimeout(10)
            proxy.mend()
            assert client.recv(100) == b"two"
            proxy.cut()
            assert _ended(client)
        proxy.refuse()
        with _connected(proxy) as client:
            assert _ended(client)
        proxy.mend()
        with _connected(proxy) as client:
            client.sendall(b"three")
            assert client.recv(100) == b"three"


def test_the_books_show_what_was_lost_doubled_overtaken_or_not_due() -> None:
    expected = {"+1": Expected("failed", 1, 1), "+2": Expected("events in order", LANE, LANE)}
    right = {"+1": ["a"], "+2": ["0", "1", "2", "3", "4"]}
    assert (judge_books(expected, right), doubled(right)) == ([], 0)
    wrongs: list[dict[str, list[str]]] = [{"+1": []}, {"+1": ["a", "a"]}, {"+2": list("02134")}, {"+3": ["a"]}]
    for wrong in wrongs:
        assert len(judge_books(expected, right | wrong)) == 1
    assert doubled(right | {"+1": ["a", "a"]}) == 1


def test_the_customer_shows_what_was_lost_changed_or_not_to_be_forwarded() -> None:
    customer, expected = Customer(), {"one": digest(b"1"), "two": digest(b"2")}
    with open_customer(customer) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/webhooks"

        def forward(event_id: str, body: bytes) -> int:
            return httpx.post(url, content=body, headers={ID_HEADER: event_id}, trust_env=False).status_code

        assert [forward("one", b"1") for _ in range(REFUSED)] == [*[200] * (REFUSED - 1), 503]
        assert customer.judge(expected) == ["forwarded: two did not arrive"]
        forward("two", b"2")
        assert customer.judge(expected) == []
        forward("one", b"!")
        forward("three", b"3")
        assert len(customer.judge(expected)) == 2


def test_the_store_shows_what_is_lost_has_ended_otherwise_or_was_sent_too_late(stack: Stack) -> None:
    router = Router()

    @router.on("test.something")
    async def handler(event: Event, ctx: Context) -> None:
        await ctx.telnyx.messages.send(to=event.payload["phone_number"], from_=SMS_FROM, text="Hello")

    number = fresh_number()
    body = envelope("test.something", {"phone_number": number})
    stack.start_worker(router)
    stack.deliver(body)
    intent = (stack.ended(body), stack.effects(body)[0].last_at)[1]
    story = Story("closed", number, [body], 1, 1, closes=0, accepted=[intent])

    def findings(changed: Story) -> list[str]:
        verdict = Verdict()
        verdict.take(changed)
        stack.ask(verdict.end)
        assert (len(verdict.waiting), verdict.judged) == (0, 1)
        return verdict.wrong

    assert findings(story) == []
    quiet = dataclasses.replace(story, accepted=[intent], quiet_until=intent)
    assert findings(quiet) == []
    assert ["after it was held" in each for each in findings(dataclasses.replace(quiet, quiet_until=intent + 1))] == [
        True
    ]
    late = dataclasses.replace(story, accepted=[intent - 1])
    stopped = dataclasses.replace(story, closes=None, changes=1)
    began = intent - 1000
    assert findings(dataclasses.replace(stopped, ready=[began, intent, intent + 1])) == []
    assert findings(dataclasses.replace(stopped, ready=[intent - PROBE_AFTER, intent - 2, intent + 1])) == []
    held = dataclasses.replace(stopped, ready=[began, intent - 2, intent + 1])
    assert ["2 ms after it was held" in each for each in findings(held)] == [True]
    assert ["1 ms after the 200" in each for each in findings(late)] == [True]
    assert ["is done" in each for each in findings(dataclasses.replace(story, state="dead"))] == [True]
    lost = dataclasses.replace(story, bodies=[envelope("test.something", {})])
    assert [each.endswith("is lost") for each in findings(lost)] == [True]


def test_an_event_is_judged_once_it_has_ended(stack: Stack) -> None:
    router, verdict = Router(), Verdict()

    @router.on("test.something")
    async def handler(event: Event, ctx: Context) -> None:
        return

    body, missing = envelope("test.something", {}), envelope("test.something", {})
    stack.deliver(body)
    verdict.take(Story("quiet", fresh_number(), [body, missing], 0, 0))
    stack.ask(verdict.look)
    assert (len(verdict.waiting), verdict.judged) == (2, 0)
    stack.start_worker(router)
    stack.ended(body)
    stack.ask(verdict.look)
    assert (len(verdict.waiting), verdict.judged, verdict.wrong) == (1, 1, [])


def test_each_change_of_a_registration_is_to_be_told_to_its_witness() -> None:
    story, verdict = stopped_story(fresh_number(), "message"), Verdict()
    story.ready = [0, 0, 0]
    for _ in range(2):
        verdict.take(story)
    expected = verdict.sms[story.witness]
    assert [expected.is_met(["changed"] * told) for told in (3, 4, 5)] == [False, True, False]


def test_a_story_waits_until_its_event_has_ended_or_is_held() -> None:
    def record(state: EventState, *handlers: HandlerState) -> EventRecord:
        named = {str(place): HandlerRecord(each) for place, each in enumerate(handlers)}
        return EventRecord("event", "test.something", state, 0, "webhook", 1, None, named)

    parked, waiting = record("open", "done", "parked"), record("open", "waiting")
    found = (None, waiting, parked, record("done", "done"), record("dead", "dead"))
    assert [is_reached(each, Wait(0)) for each in found] == [False, False, False, True, True]
    assert [is_reached(each, Wait(0, "held")) for each in found] == [False, False, True, True, True]


def test_each_kind_of_story_is_told() -> None:
    kinds = {each.kind for each in islice(stories(1, EVENTS), 300)}
    assert len(kinds) == 32
    assert {each.kind for each in islice(stories(1, EVENTS, quiet=1.0), 100)} == set(QUIET)


def test_a_shorter_run_is_the_beginning_of_a_longer_one() -> None:
    short, long = ([_content(each) for each in stories(7, events, quiet=0.5)] for events in (100, 200))
    assert long[: len(short)] == short
    assert plan(7, 500, "server", between=10)[:20] == plan(7, 210, "server", between=10)
