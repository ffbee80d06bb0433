"""The original of an event that is forwarded: its body and the headers that came with it."""

from types import SimpleNamespace
from typing import Any

import pytest
from redis.asyncio import Redis

from service.outbound.forwarding import original_of
from service.security.encryption import PLAIN
from service.store.connection import connect
from service.store.store import Store
from tests.pending import pending

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"state": "done", "pruned": "{}"}, None),
        ({"state": "open", "body": "{}"}, (b"{}", {})),
        (
            {"body": "{}", "arrived_by": "webhook 17 abc", "trace": f"{PARENT} a=1,b=2"},
            (
                b"{}",
                {
                    "telnyx-timestamp": "17",
                    "telnyx-signature-ed25519": "abc",
                    "traceparent": PARENT,
                    "tracestate": "a=1,b=2",
                },
            ),
        ),
        ({"body": "{}", "trace": PARENT}, (b"{}", {"traceparent": PARENT})),
        ({"body": "{}", "trace": f"{PARENT} a\nb"}, (b"{}", {"traceparent": PARENT})),
        ({"body": "{}", "trace": "odd a=1"}, (b"{}", {})),
    ],
)
async def test_the_original_has_its_body_its_signature_and_its_trace(
    redis_url: str, fields: dict[str, Any], expected: Any
) -> None:
    async with connect(redis_url, timeout=10, connections=2) as redis:
        server: Redis = redis
        store = Store(server, "originals", PLAIN)
        if fields:
            await pending(server.hset(store.keys.event("one"), mapping=fields))
        ctx: Any = SimpleNamespace(services=SimpleNamespace(store=store))
        found = await original_of(ctx, "one")
        await server.delete(store.keys.event("one"))
    assert found == expected
