"""A success of a call has nothing to report where all was well as it was let through."""

from dataclasses import replace
from functools import cached_property
from typing import Any

import pytest

from service.outbound.errors import TelnyxResponse
from service.outbound.gate import Gate
from service.store.effects.rate_limits import Granted
from service.store.scripts import Argument
from service.store.store import Store
from tests.outbound.test_governor import at_gate, sms
from tests.stack import Stack

FINE = TelnyxResponse(200)


class NotingStore(Store):
    """A store that notes the scripts which it runs."""

    @cached_property
    def names(self) -> list[str]:
        return []

    async def run(self, name: str, *args: Argument, needs_room: bool = False) -> Any:
        self.names.append(name)
        return await super().run(name, *args, needs_room=needs_room)


@pytest.mark.parametrize(
    "before",
    [
        TelnyxResponse(503),  # a failure, and no block yet
        TelnyxResponse(429),  # a pause, and how many refusals there were
        TelnyxResponse(200, {"x-ratelimit-limit": "5"}),  # a limit below ours
    ],
)
def test_a_success_has_something_to_report_while_a_trouble_is_known(stack: Stack, before: TelnyxResponse) -> None:
    async def work(gate: Gate) -> list[bool]:
        async def is_calm() -> bool:
            answer = await gate.acquire(sms(), event_id="e", returning=False)
            return isinstance(answer, Granted) and answer.calm

        calm = [await is_calm()]
        await gate.report(sms(), before, event_id="e")
        return [*calm, await is_calm()]

    assert at_gate(stack, work) == [True, False]


@pytest.mark.parametrize(
    ("answer", "scripts"),
    [
        (FINE, 0),
        (TelnyxResponse(422), 0),  # Telnyx works, and refuses this request alone
        (TelnyxResponse(200, {"x-ratelimit-limit": "100000"}), 0),
        (TelnyxResponse(200, {"x-ratelimit-limit": "2"}), 1),
        (TelnyxResponse(429), 1),
        (TelnyxResponse(503), 1),
        (TelnyxResponse(401), 1),
        (None, 1),
    ],
)
def test_where_all_was_well_only_news_are_reported(stack: Stack, answer: TelnyxResponse | None, scripts: int) -> None:
    async def work(gate: Gate) -> list[str]:
        store = NotingStore(gate.store.redis, gate.store.namespace, gate.store.encryption)
        await replace(gate, store=store).report(sms(), answer, event_id="e", clear=True)
        return store.names

    assert at_gate(stack, work) == ["report"] * scripts
