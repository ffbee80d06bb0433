"""No SMS after a STOP, over random histories."""

import asyncio
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from telnyx import AsyncTelnyx

from handlers import router as built_in
from service import Context, Event, Router
from service.events import Message
from service.outbound.sender import EffectMetrics
from service.outbound.transport import EffectTransport
from service.processes import embedded_server
from service.settings.send_limits import SendLimits
from tests.messages.consent_histories import History, NetworkOfHistories, PipeliningRedis, SdkOfHistories, World, quiet
from tests.stack import SMS_FROM, make_settings

POLICY = Path(__file__).with_name("consent_histories.toml")
MANY = 100_000
STEP = 2_000


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server that keeps nothing on disk, since it is emptied again and again."""
    with embedded_server.start(tmp_path / "server") as server:
        yield server.url


def unfolded(url: str, seeds: range, router: Router = built_in, *, real_sdk: bool = False) -> list[History]:
    """The histories of these seeds, lived through."""

    async def unfold() -> list[History]:
        histories: list[History] = []
        async with PipeliningRedis(url) as redis:
            await redis.config_set("appendonly", "no")
            for start in range(seeds.start, seeds.stop, STEP):
                world = World(redis, settings, router, _real_sdk if real_sdk else SdkOfHistories)
                histories += await world.unfold(range(start, min(start + STEP, seeds.stop)))
                await world.services.telnyx.close()
                await redis.flushdb()
        return histories

    settings = make_settings(
        api_key="KEY",
        namespace="histories",
        sms_from=SMS_FROM,
        sms_per_hour=10 * MANY,
        policy=POLICY,
        limits=SendLimits(sms=10_000),
    )
    with quiet():
        return asyncio.run(unfold())


def _real_sdk(world: World) -> AsyncTelnyx:
    network = NetworkOfHistories(lambda number: world.histories[number])
    settings = make_settings(api_key="KEY", base_url="https://telnyx.example/v2", retention=3600.0)
    http = httpx.AsyncClient(transport=EffectTransport(network, world.store, settings, EffectMetrics()))
    return AsyncTelnyx(api_key="KEY", base_url=settings.base_url, max_retries=0, http_client=http)


def _told(histories: list[History]) -> str:
    sms = sum(len(each.sms) for each in histories)
    stops, beside = sum(each.stops for each in histories), sum(bool(each.sms and each.stops) for each in histories)
    return f"{len(histories)} histories with {stops} STOPs and {sms} SMS; {beside} had both"


def no_sms_after_a_stop(histories: list[History]) -> None:
    assert [violation for each in histories for violation in each.violations][:5] == []
    assert sum(len(each.sms) for each in histories) > len(histories) / 10, "what is not forbidden goes out"
    assert any(each.sms and each.stops for each in histories), "a START lifts a STOP"
    assert any(each.derived for each in histories), "timers fire"
    assert all(len(each.sms) == len(set(each.sms)) for each in histories), "one SMS for each message"


@pytest.mark.parametrize("count", [80, pytest.param(300, marks=pytest.mark.slow)])
def test_no_sms_after_a_stop_with_the_real_sdk_and_ledger(url: str, count: int) -> None:
    no_sms_after_a_stop(unfolded(url, range(count), real_sdk=True))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_sms_after_a_stop_in_2_000_histories(url: str) -> None:
    no_sms_after_a_stop(unfolded(url, range(MANY, MANY + 2_000)))


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("default::UserWarning")  # it tells what was lived through
@pytest.mark.parametrize("half", [0, 1])
def test_no_sms_after_a_stop_in_100_000_histories(url: str, half: int) -> None:
    histories = unfolded(url, range(half * MANY // 2, (half + 1) * MANY // 2))
    warnings.warn(_told(histories), UserWarning, stacklevel=1)
    assert len(histories) == MANY // 2
    no_sms_after_a_stop(histories)


def test_the_histories_catch_a_fallback_that_asks_nobody(url: str) -> None:
    careless = Router()

    @careless.on("message.finalized")
    async def sms_fallback(event: Event[Message], ctx: Context) -> None:
        to, text = event.payload.to[0].phone_number, event.payload.said
        await ctx.telnyx.messages.send(to=str(to), text=str(text), idempotency_key=str(event.payload.id))

    assert any(each.violations for each in unfolded(url, range(300), careless))
