import asyncio
import ssl
from typing import Any

import pytest

from handlers import forward
from service import Context, Event
from service.outbound.client import open_reader
from service.outbound.tls import tls_context
from service.settings import Settings
from service.testing.bench import make_event, open_bench


async def handler(event: Event, ctx: Context) -> None:
    await ctx.reply("hello")


async def open_others() -> None:
    async with forward.client(), open_reader(Settings(TELNYX_API_KEY="KEY")):
        pass


def test_all_clients_of_a_process_load_the_certificates_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    make = ssl.create_default_context

    def counted(*arguments: Any, **options: Any) -> ssl.SSLContext:
        made.append("context")
        return make(*arguments, **options)

    monkeypatch.setattr(ssl, "create_default_context", counted)
    tls_context.cache_clear()
    with open_bench() as bench:
        bench.run_handler(handler, make_event("message.received"))
        bench.run_handler(handler, make_event("message.received"))
    asyncio.run(open_others())
    assert made == ["context"]
