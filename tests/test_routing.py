"""Routers: what may be subscribed, and what is refused at once with a word on what to do."""

from typing import Any

import pytest
from pydantic import BaseModel

from service import Context, Event, Router
from service.events import Message
from tests.stack import make_settings


async def handler(event: Event, ctx: Context) -> None: ...


def test_the_decorator_returns_the_handler_unchanged() -> None:
    router = Router()
    assert router.on("message.received")(handler) is handler


def test_routers_compose_by_value() -> None:
    one, other = Router(), Router()
    one.on("message.received")(handler)
    other.on("message.sent", name="second")(handler)
    both = Router(one, other)
    other.on("message.read", name="too_late")(handler)

    assert set(both.subscriptions) == {"handler", "second"}


def test_two_handlers_of_one_name_are_an_error_that_names_both() -> None:
    one, other = Router(), Router()
    one.on("message.received")(handler)
    other.on("message.sent")(handler)
    with pytest.raises(ValueError, match=r"two handlers are named 'handler' .*name=") as raised:
        Router(one, other)
    assert str(raised.value).count("handler") >= 3


@pytest.mark.parametrize("types", [(), ("",), ("message.*.x",), ("*.message",), ("mess*",)])
def test_a_pattern_that_is_none_is_refused(types: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="handler"):
        Router().on(*types)(handler)


def test_what_is_no_handler_is_refused() -> None:
    def plain(event: Event, ctx: Context) -> None: ...

    async def alone(event: Event) -> None: ...

    async def strange(event: int, ctx: Context) -> None: ...

    for wrong, said in ((plain, "async def"), (alone, "two arguments"), (strange, "annotate")):
        with pytest.raises(TypeError, match=said):
            Router().on("x")(wrong)  # type: ignore[type-var]


@pytest.mark.parametrize("options", [{"max_attempts": 0}, {"timeout": 0}, {"name": "not a name"}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"1 or more|more than 0|letters, digits"):
        Router().on("x", **options)(handler)


def test_the_payload_type_is_read_from_the_annotation() -> None:
    class Order(BaseModel):
        total: int

    async def typed(event: Event[Message], ctx: Context) -> None: ...

    async def own(event: Event[Order], ctx: Context) -> None: ...

    async def quoted(event: "Event[Message]", ctx: Context) -> None: ...

    async def unknown(event: "Event[Nothing]", ctx: Context) -> None: ...  # type: ignore[name-defined] # noqa: F821

    router = Router()
    for each in (handler, typed, own, quoted):
        router.on("x")(each)
    kinds = {name: each.payload for name, each in router.subscriptions.items()}
    assert kinds["handler"] is None
    assert all(kinds[name] is not None for name in ("typed", "own", "quoted"))
    with pytest.raises(TypeError, match="import it at the top"):
        router.on("x")(unknown)


def test_a_periodic_handler_is_composed_with_its_times_and_its_name() -> None:
    one = Router()
    assert one.cron(minute={0, 30})(handler) is handler
    both = Router(one)
    assert both.periodic["handler"] == {"weekday": None, "hour": None, "minute": {0, 30}, "second": 0}
    assert both.subscriptions["handler"].types == ("ringback.cron.handler",)


@pytest.mark.parametrize("times", [{"minute": 60}, {"hour": {3, 24}}, {"weekday": 7}, {"second": set()}])
def test_a_time_that_no_clock_shows_is_refused(times: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"handler: @router.cron\(.* takes numbers from 0 to"):
        Router().cron(**times)(handler)


def test_types_from_the_settings_are_asked_for_when_a_worker_configures_its_router() -> None:
    router = Router()

    @router.on(types_from=lambda settings: ["10dlc.*"] if settings.sms_from else [])
    async def sometimes(event: Event[Any], ctx: Context) -> None: ...

    on, off = make_settings(sms_from="+13125550199"), make_settings()
    assert router.configured(on).subscriptions["sometimes"].types == ("10dlc.*",)
    assert router.configured(off).subscriptions["sometimes"].types == ()
    assert router.subscriptions["sometimes"].types == ()


def test_types_are_given_once_and_checked_wherever_they_come_from() -> None:
    router = Router()

    with pytest.raises(ValueError, match="not both"):

        @router.on("message.sent", types_from=lambda _: ["message.read"])
        async def both(event: Event[Any], ctx: Context) -> None: ...

    @router.on(types_from=lambda _: ["message.*.x"])
    async def wrong(event: Event[Any], ctx: Context) -> None: ...

    with pytest.raises(ValueError, match=r"wrong: 'message.\*.x' is no event type"):
        router.configured(make_settings())
