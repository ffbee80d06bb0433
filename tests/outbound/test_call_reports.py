"""What an answer of Telnyx tells the blocks and the rate limit of its product."""

from typing import Any

import pytest

from service.outbound.errors import Refusal, TelnyxResponse
from service.outbound.gate import _signal
from service.store.effects.blocks import OUTAGE
from service.store.effects.rate_limits import BlockSignal

REFUSED = Refusal("account", "credentials", "detail")


@pytest.mark.parametrize(
    ("kind", "status", "outcome"),
    [
        *((OUTAGE, status, "lifts") for status in (1, 200, 401, 429, 499)),
        *((OUTAGE, status, "fails") for status in (0, 500, 503)),
        *(("credentials", status, "lifts") for status in (1, 200, 300, 400, 402, 404, 422, 499)),
        *(("credentials", status, "unclear") for status in (0, 401, 408, 429, 500, 502)),
        *(("balance", status, "lifts") for status in (200, 201, 299)),
        *(("balance", status, "unclear") for status in (0, 199, 300, 400, 422, 500)),
        *(("campaign", status, "stays") for status in (400, 422, 499)),
        *(("campaign:T-Mobile", status, "unclear") for status in (0, 300, 399, 500)),
        *(("campaign", status, "lifts") for status in (200, 299)),
    ],
)
def test_an_answer_lifts_only_the_blocks_that_it_disproves(kind: str, status: int, outcome: str) -> None:
    assert _signal(kind, "name", TelnyxResponse(status), None).outcome == outcome


def test_no_answer_is_an_outage_and_leaves_other_blocks_unclear() -> None:
    assert _signal(OUTAGE, "name", None, None).outcome == "fails"
    assert _signal("credentials", "name", None, None).outcome == "unclear"
    assert _signal(OUTAGE, "name", None, None).detail == "no answer"
    assert _signal(OUTAGE, "name", TelnyxResponse(503), None).detail == "503"


@pytest.mark.parametrize(("kind", "outcome"), [("credentials", "fails"), ("balance", "unclear")])
def test_a_refusal_opens_the_block_of_its_own_reason(kind: str, outcome: str) -> None:
    assert _signal(kind, "name", TelnyxResponse(401), REFUSED).outcome == outcome


def times(signal: BlockSignal) -> dict[str, Any]:
    names = ("interval", "longest", "quiet", "strikes", "within")
    return {name: getattr(signal, name) for name in names}


def test_a_refused_account_is_probed_each_minute_and_an_outage_within_seconds() -> None:
    refused, out = _signal("credentials", "n", TelnyxResponse(401), REFUSED), _signal(OUTAGE, "n", None, None)
    assert (refused.interval, refused.longest, refused.quiet) == (60_000, 60_000, 600_000)
    assert times(out) == {"interval": 1000, "longest": 10_000, "quiet": 600_000, "strikes": 5, "within": 10_000}
