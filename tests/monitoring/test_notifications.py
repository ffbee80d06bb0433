"""What needs a person is told once per cause, by whichever worker, and costs no event anything."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from service import Context, Event, Router
from service.monitoring.notifications import Channel, NotificationSender, notify, open_teller
from service.security.encryption import PLAIN
from service.settings import InvalidSettings
from service.store.connection import connect
from service.store.facts import notices
from service.store.store import Store
from tests.stack import Stack, make_settings
from tests.telnyx_events import envelope
from tests.testing.simulator.receiver import HANG, Receiver, receiving

CAUSE = "hosted numbers failed"
NUMBER = "+13125550001"


class Told:
    """A reader of messages, who can be away."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.away = False

    async def __call__(self, title: str, body: str) -> bool:
        if not self.away:
            self.messages.append((title, body))
        return not self.away


class Notifying:
    """Several workers' notifications, in a namespace of their own."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.told = Told()

    def notify(self, text: str, *, cause: str = CAUSE, mend: str = "ringback hosted show 1") -> None:
        self._stack.ask(lambda store: notify(store, cause=cause, text=text, mend=mend))

    def turn(self, tell: Channel | None = None) -> None:
        """What every worker does each second."""
        for _ in range(2):
            self._stack.ask(lambda store: NotificationSender(store, tell or self.told).turn())

    def pause_of(self, cause: str = CAUSE) -> float:
        """Seconds until something may be told about a cause."""

        async def pause(store: Store) -> float:
            score = await store.redis.zscore(f"{store.namespace}:notices", cause)
            seconds, microseconds = await store.redis.time()
            return float("-inf") if score is None else score / 1000 - seconds - microseconds / 1_000_000

        return self._stack.ask(pause)

    def when_paused(self, cause: str = CAUSE) -> None:
        """Let the pause be over."""

        async def end(store: Store) -> None:
            await store.redis.zadd(f"{store.namespace}:notices", {cause: 0})

        self._stack.ask(end)


@pytest.fixture
def notifying(stack: Stack) -> Notifying:
    return Notifying(stack)


@pytest.fixture(scope="module")
def phone() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_a_cause_is_told_at_once_with_the_command_that_mends_it(notifying: Notifying) -> None:
    notifying.notify("order 1: the letter of authorisation is not legible", mend="ringback hosted upload 1 --loa FILE")
    notifying.turn()
    assert notifying.told.messages == [
        (
            "Ringback: hosted numbers failed",
            "order 1: the letter of authorisation is not legible\n→ ringback hosted upload 1 --loa FILE",
        )
    ]


def test_what_follows_within_five_minutes_becomes_one_message(notifying: Notifying) -> None:
    notifying.notify("order 1 failed")
    notifying.turn()
    for text in ("order 1 failed", "order 2 failed", "order 3 failed", "order 2 failed"):
        notifying.notify(text)
        notifying.turn()
    assert len(notifying.told.messages) == 1
    assert 290 < notifying.pause_of() <= 300

    notifying.when_paused()
    notifying.turn()
    [_, (_, body)] = notifying.told.messages
    assert sorted(body.split("\n\n")) == [
        "order 1 failed\n→ ringback hosted show 1",
        "order 2 failed (2 times)\n→ ringback hosted show 1",
        "order 3 failed\n→ ringback hosted show 1",
    ]


def test_another_cause_is_another_message(notifying: Notifying) -> None:
    notifying.notify("order 1 failed")
    notifying.notify("the key was refused", cause="Telnyx refuses the API key", mend="ringback doctor")
    notifying.turn()
    assert sorted(title for title, _ in notifying.told.messages) == [
        "Ringback: Telnyx refuses the API key",
        "Ringback: hosted numbers failed",
    ]


def test_what_lasts_is_told_ever_more_rarely_until_it_brings_news(notifying: Notifying) -> None:
    pauses = []
    for _ in range(12):
        notifying.notify("order 1 failed")
        notifying.turn()
        pauses.append(round(notifying.pause_of() / 300))
        notifying.when_paused()
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 288, 288, 288]

    notifying.notify("order 1 failed")
    notifying.turn()
    notifying.notify("order 2 failed")
    assert 290 < notifying.pause_of() <= 300


def test_a_cause_that_was_quiet_for_a_pause_is_told_at_once_when_it_comes_again(notifying: Notifying) -> None:
    notifying.notify("order 1 failed")
    notifying.turn()
    notifying.when_paused()
    notifying.turn()
    assert notifying.pause_of() == float("-inf")

    notifying.notify("order 1 failed")
    notifying.turn()
    assert len(notifying.told.messages) == 2


def test_what_could_not_be_delivered_is_told_a_minute_later_and_at_last_by_the_log(notifying: Notifying) -> None:
    notifying.told.away = True
    notifying.notify("order 1 failed")
    notifying.turn()
    assert 50 < notifying.pause_of() <= 60
    notifying.notify("order 2 failed")
    assert 50 < notifying.pause_of() <= 60, "news does not take from a worker what it is just telling"
    with capture_logs() as logs:
        for _ in range(9):
            notifying.when_paused()
            notifying.turn()
    [told] = [line for line in logs if line["event"] == "Ringback: hosted numbers failed"]
    assert "order 1 failed" in told["told"]
    assert 290 < notifying.pause_of() <= 300

    notifying.told.away = False
    notifying.notify("order 3 failed")
    notifying.when_paused()
    notifying.turn()
    assert len(notifying.told.messages) == 1


def test_what_is_noted_while_a_message_goes_out_is_in_the_next(notifying: Notifying, stack: Stack) -> None:
    notifying.notify("order 1 failed")

    async def tell(title: str, body: str) -> bool:
        await notify(stack.store, cause=CAUSE, text="order 1 failed", mend="ringback hosted show 1")
        await notify(stack.store, cause=CAUSE, text="order 2 failed", mend="ringback hosted show 2")
        return True

    notifying.turn(tell)
    assert 290 < notifying.pause_of() <= 300
    notifying.when_paused()
    notifying.turn()
    [(_, body)] = notifying.told.messages
    assert ("order 1 failed\n" in body, "order 2 failed\n" in body) == (True, True)


def test_very_many_things_of_one_cause_are_counted(notifying: Notifying) -> None:
    for number in range(notices.MOST_ENTRIES + 7):
        notifying.notify(f"order {number} failed")
    notifying.turn()
    [(_, body)] = notifying.told.messages
    assert body.count("order ") == notices.MOST_ENTRIES
    assert body.endswith("… and 7 more of the same cause")
    notifying.when_paused()
    notifying.turn()
    assert notifying.pause_of() == float("-inf")


def test_numbers_are_masked(notifying: Notifying) -> None:
    notifying.notify(f"{NUMBER} and 13125550001 failed", mend=f"ringback hosted eligibility {NUMBER}")
    notifying.turn()
    [(_, body)] = notifying.told.messages
    assert body == "+1312•••0001 and 13125•••0001 failed\n→ ringback hosted eligibility +1312•••0001"


def test_without_services_the_log_has_it(notifying: Notifying) -> None:
    notifying.notify("order 1 failed")
    with capture_logs() as logs:
        notifying.turn(open_teller(make_settings()))
    [line] = logs
    assert (line["event"], line["told"]) == (
        "Ringback: hosted numbers failed",
        "order 1 failed\n→ ringback hosted show 1",
    )


def test_no_redis_is_no_failure_of_the_event() -> None:
    async def noted() -> None:
        async with connect("redis://127.0.0.1:1", timeout=1, connections=1) as redis:
            store = Store(redis, "nobody", PLAIN)
            await notify(store, cause=CAUSE, text=f"{NUMBER} failed", mend="ringback hosted list")

    with capture_logs() as logs:
        asyncio.run(noted())
    [line] = logs
    assert (line["cause"], line["text"]) == (CAUSE, "+1312•••0001 failed")


def services(phone: Receiver, *paths: str) -> SecretStr:
    return SecretStr(",".join(phone.address.replace("http://", "json://") + path for path in paths))


def test_a_worker_tells_apprise(stack: Stack, phone: Receiver) -> None:
    stack.start_worker(complaining(), notify=services(phone, "/phone"))
    event = envelope("test.something", {})
    stack.deliver(event)
    [received] = phone.take()
    assert received.path == "/phone"
    assert received.json["title"] == "Ringback: hosted numbers failed"
    assert received.json["message"] == "order 1 failed\n→ ringback hosted show 1"
    assert stack.ended(event).state == "done"


def test_a_service_that_hangs_delays_no_event(stack: Stack, phone: Receiver) -> None:
    phone.answers["/phone"].append(HANG)
    stack.start_worker(complaining(), notify=services(phone, "/phone"))
    stack.deliver(envelope("test.something", {}))
    phone.take()
    later = envelope("test.something", {})
    stack.deliver(later)
    assert stack.ended(later).state == "done"


def test_one_service_that_fails_makes_no_other_tell_twice(notifying: Notifying, phone: Receiver) -> None:
    phone.answers["/broken"].append(500)
    notifying.notify("order 1 failed")
    with capture_logs() as logs:
        notifying.turn(open_teller(make_settings(notify=services(phone, "/broken", "/phone"))))
    assert sorted(each.path for each in phone.take(2)) == ["/broken", "/phone"]
    assert [line["event"] for line in logs] == ["a service took no notification"]
    assert notifying.pause_of() > 290


@pytest.mark.parametrize("urls", ["nonsense", "nosuchservice://token", "json://127.0.0.1,nosuchservice://token"])
def test_an_url_that_no_service_knows_is_refused_at_the_start_and_not_quoted(urls: str) -> None:
    with pytest.raises(InvalidSettings, match="RINGBACK_NOTIFY") as raised:
        open_teller(make_settings(notify=urls))
    assert "token" not in str(raised.value)
    assert "nonsense" not in str(raised.value)


def complaining() -> Router:
    router = Router()

    @router.on("test.something")
    async def complain(event: Event[dict[str, Any]], ctx: Context) -> None:
        await notify(ctx.services.store, cause=CAUSE, text="order 1 failed", mend="ringback hosted show 1")

    return router
