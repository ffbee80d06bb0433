"""The gate before every call of a handler to Telnyx: rate limits and circuit breaker.

The governor keeps all workers together within the account's limits. The breaker parks work while Telnyx is out, or
refuses the account.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.outbound import blocks
from service.outbound.api_call import Call
from service.outbound.blocks import BlockNotice
from service.outbound.errors import (
    LONGEST_WAIT,
    Refusal,
    TelnyxResponse,
    classify_response,
    is_rate_limit,
    number_in,
    retry_after,
)
from service.outbound.metrics import GateMetrics
from service.outbound.uncancellable import run_uncancelled
from service.settings import Settings
from service.store.effects import rate_limits
from service.store.effects.blocks import OUTAGE, kind_of
from service.store.effects.rate_limits import AdmissionRequest, Blocked, CallReport, Deferred, Granted
from service.store.keys import Keys
from service.store.redis_errors import describe_cause

log = structlog.get_logger(__name__)
T = TypeVar("T")

TIMEOUT = 2.0
"""Seconds for which a call waits for its slot; one that would wait longer puts its handler off."""
PROBE_PATIENCE = 30.0
"""Seconds after which a probe that was not heard of again is thought lost; the client waits less for an answer."""
GOOD_FOR = 0.03
"""Seconds past its slot for which a call may go: a later one asks again, as it would arrive together with the next."""
MOST_SLOTS = 3
LIMIT_LASTS = 60.0
"""Seconds for which a limit that an answer tells of is believed."""
REDIS_PAUSE = 1.0


@dataclass(frozen=True)
class Gate:
    """The way to Telnyx, for one worker.

    The worker that meets a cause first tells of it in its log: at ERROR, and by `notify`, where a person has to act.
    """

    redis: "Redis"
    keys: Keys
    settings: Settings
    metrics: GateMetrics = field(default_factory=GateMetrics)
    notify: Callable[[BlockNotice], Awaitable[None]] | None = None

    async def admit(self, call: Call, *, event_id: str, returning: bool) -> Refusal | None:
        """Let a call go, after at most two seconds (None); or say what its handler is to end in.

        `returning` says that the handler was put off before, so that its turn has come. The refusal is of kind `held`,
        with the cause that parks it, or `later`, with the seconds until its turn.
        """
        began, asked = time.monotonic(), self.request(call, event_id=event_id, returning=returning)
        for _ in range(MOST_SLOTS):
            asked_at = time.monotonic()
            try:
                # A cancelled handler must not leave a half-read reply on the connection.
                answer = await asyncio.shield(run_uncancelled(rate_limits.acquire(self.redis, self.keys, asked)))
            except (RedisError, OSError) as error:
                return _redis_is_away(error)
            if not isinstance(answer, Granted):
                return self.refusal(call, answer)
            await asyncio.sleep(answer.wait)
            if call.product is None or time.monotonic() - asked_at - answer.wait <= GOOD_FOR:
                break
            asked = replace(asked, back=True, unused=answer.slot)
        self.metrics.waited(call.product, time.monotonic() - began)
        return None

    async def heard(
        self, call: Call, answer: TelnyxResponse | None, *, event_id: str, clear: bool = False
    ) -> Refusal | None:
        """Take in what came back (None: nothing did); answers a refusal of the account with the cause that it opens.

        `clear` says that no cause and no failure was known right before a read: its success then changes nothing.
        """
        account = _of_account(call, answer)
        heard = _heard(call, answer, account)
        if clear and heard.alive and not any(each.word == "fails" for each in heard.causes):
            return account
        try:
            # Shielded like `acquire`. Other workers need the report even if this handler was cancelled.
            changed = await asyncio.shield(run_uncancelled(rate_limits.report(self.redis, self.keys, event_id, heard)))
        except (RedisError, OSError) as error:
            log.warning("what Telnyx answered was not told to the other workers", error=describe_cause(error))
        else:
            await self._tell(heard, changed)
        return account

    def request(self, call: Call, *, event_id: str, returning: bool) -> AdmissionRequest:
        """Return what a call asks to be let go."""
        return AdmissionRequest(
            ticket=secrets.token_hex(8),
            event_id=event_id,
            causes=list(blocks.concerning(call).values()),
            product=call.product,
            limit=self.settings.limits.of(call.product) if call.product else 0.0,
            back=returning,
            patience=TIMEOUT,
            probe_patience=PROBE_PATIENCE,
        )

    def refusal(self, call: Call, answer: Deferred | Blocked) -> Refusal:
        """Return what the handler of a call that may not go is to end in."""
        if isinstance(answer, Deferred):
            self.metrics.put_off(call.product)
            return Refusal("later", "rate_limit", f"waiting for the rate limit ({call.product})", answer.wait)
        kind = kind_of(answer.cause)
        reason = blocks.OUTAGE_REASON if kind == OUTAGE else kind
        return Refusal("held", reason, f"{answer.detail} · {answer.advice}", cause=answer.cause)

    async def _tell(self, heard: CallReport, changed: rate_limits.Changed) -> None:
        for word in heard.causes:
            if word.name in changed.opened:
                await self._tell_of(BlockNotice(word.name, word.advice, word.detail))
        for name in changed.lifted:
            log.info("parked work resumes", cause=name)

    async def _tell_of(self, notice: BlockNotice) -> None:
        if notice.cause == OUTAGE:
            log.warning(notice.advice, cause=notice.cause, detail=notice.detail)
            return
        log.error(notice.advice, cause=notice.cause, detail=notice.detail)
        if self.notify is not None:
            await self.notify(notice)


def _of_account(call: Call, answer: TelnyxResponse | None) -> Refusal | None:
    """The refusal for a reason of the account, with the cause that it opens."""
    if answer is None or answer.status < 400:
        return None
    refusal = classify_response(answer, is_send=call.is_send)
    cause = blocks.concerning(call).get(refusal.reason) if refusal.kind == "account" else None
    return replace(refusal, cause=cause) if cause else None


def _heard(call: Call, answer: TelnyxResponse | None, account: Refusal | None) -> CallReport:
    words, alive = blocks.words(call, answer, account), blocks.is_alive(answer)
    if call.product is None or answer is None:
        return CallReport(words, alive)
    limited = is_rate_limit(answer)
    wait = retry_after(answer.headers) if limited else _until_more_remain(answer)
    return CallReport(
        words,
        alive,
        product=call.product,
        good=200 <= answer.status < 300,
        limited=limited,
        wait=int(wait * 1000) if wait else None,
        limit=number_in(answer.headers.get("x-ratelimit-limit")) or None,
        limit_lasts=int(LIMIT_LASTS * 1000),
    )


def _until_more_remain(answer: TelnyxResponse) -> float | None:
    """Seconds until the next request may go, where this was the last of the window (knowledge base, rate limiting)."""
    if answer.headers.get("x-ratelimit-remaining", "").strip() != "0":
        return None
    wait = number_in(answer.headers.get("x-ratelimit-reset"))
    # A later moment is a time of day rather than seconds: a misreading must not hold up other calls.
    return wait if wait is not None and 0 < wait <= LONGEST_WAIT else None


def _redis_is_away(error: Exception) -> Refusal:
    return Refusal(
        "later", "redis_away", f"Redis does not say whether it may go ({describe_cause(error)})", REDIS_PAUSE
    )
