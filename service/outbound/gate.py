"""The gate before every call of a handler to Telnyx: rate limits and circuit breaker.

The rate limits keep all workers together within the account's. The breaker parks work while Telnyx is out, or refuses
the account.
"""

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from redis.exceptions import RedisError

from service import clock
from service.outbound import errors
from service.outbound.api_call import Call
from service.outbound.errors import ACCOUNT_BLOCKS
from service.settings import Settings
from service.store.effects import rate_limits
from service.store.effects.blocks import OUTAGE, kind_of
from service.store.effects.rate_limits import AdmissionRequest, Blocked, BlockSignal, CallReport, Deferred, Granted
from service.store.inbox.accept import NewEvent, accept
from service.store.redis_errors import describe_cause
from service.store.store import Store, run_uncancelled

log = structlog.get_logger(__name__)

TIMEOUT = 2.0
"""Seconds for which a call waits for its slot. One that would wait longer defers its handler."""
PROBE_TIMEOUT = 30.0
"""Seconds after which a probe without a report counts as lost. The client waits less for an answer."""
GOOD_FOR = 0.03
"""Seconds past its slot for which a call may go. A later one would arrive together with the next."""
MAX_SLOTS = 3
LIMIT_LASTS = 60.0
"""Seconds for which a limit that an answer names is believed."""
REDIS_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds after a rate limit or an outage at most, where Telnyx names no time."""
ACCOUNT_PROBE = 60.0
"""Seconds between two probes of a block of the account."""
OUTAGE_PROBES = (1.0, 10.0)
"""Seconds until the first probe in an outage, and until the later ones: doubled, at most the second number."""
OUTAGE_STRIKES = 5
"""Distinct events that have to fail, with no success in between, before it is an outage."""
OUTAGE_WITHIN = 10.0
"""Seconds within which they do."""
QUIET = 600.0
"""Seconds before people are notified again of a block that comes and goes."""

CAMPAIGN = "campaign"
"""The kind of the blocks for 10DLC campaigns. A reading of the API lifts those that one has opened."""
T_MOBILE = "T-Mobile"
OTHER_CARRIERS = "others"
"""In the place of a carrier: all but T-Mobile. Source: SDK 4.189, `non_tmobile_number_mapping_status`."""
PROBE_ACCEPTED = "campaign.probe_accepted"
"""The event that is raised when Telnyx accepts a probe of such a block."""

_PROFILE_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ADVICE: Mapping[str, str] = {
    OUTAGE: (
        "Telnyx does not answer, or fails (5xx): there is nothing to do here, see status.telnyx.com. It is probed every"
        " few seconds, and parked events resume afterwards"
    ),
    **{each.kind: each.advice for each in ACCOUNT_BLOCKS},
}


@dataclass
class GateMetrics:
    """Waits of calls for their slot, and calls that defer their handler."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self._seconds = Histogram(
            "ringback_gate_wait_seconds",
            "Time that a call to Telnyx waited to be let through.",
            ["product"],
            buckets=(0.005, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5),
            registry=self.registry,
        )
        self._deferred = Counter(
            "ringback_gate_deferred",
            "Calls to Telnyx whose handler was deferred to its turn.",
            ["product"],
            registry=self.registry,
        )

    def waited(self, product: str | None, seconds: float) -> None:
        """Count a call that was let through."""
        self._seconds.labels(product or "other").observe(seconds)

    def deferred(self, product: str | None) -> None:
        """Count a call that has to come back."""
        self._deferred.labels(product or "other").inc()


@dataclass(frozen=True)
class Gate:
    """The rate limiter and circuit breaker of one worker.

    The worker that meets a block first logs it: at ERROR, and by `notify`, where a person has to act.
    """

    store: Store
    settings: Settings
    metrics: GateMetrics = field(default_factory=GateMetrics)
    notify: Callable[[BlockSignal], Awaitable[None]] | None = None

    async def acquire(self, call: Call, *, event_id: str, returning: bool) -> errors.Refusal | Granted:
        """Return the permission once a call may go, or the refusal that its handler ends in: within two seconds.

        `returning` says that the handler was deferred before, so that its turn has come. The refusal is of kind `held`,
        with the block that parks it, or `later`, with the seconds until its turn.
        """
        began, asked = time.monotonic(), self.request(call, event_id=event_id, returning=returning)
        granted = Granted(0.0)
        for _ in range(MAX_SLOTS):
            asked_at = time.monotonic()
            try:
                # A cancelled handler must not leave a half-read reply on the connection.
                answer = await asyncio.shield(run_uncancelled(rate_limits.acquire(self.store, asked)))
            except (RedisError, OSError) as error:
                detail = f"Redis does not say whether it may go ({describe_cause(error)})"
                return errors.Refusal("later", "redis_unavailable", detail, REDIS_PAUSE)
            if not isinstance(answer, Granted):
                return self.refusal(call, answer)
            granted = answer
            await asyncio.sleep(answer.wait)
            if call.product is None or time.monotonic() - asked_at - answer.wait <= GOOD_FOR:
                break
            asked = replace(asked, requeued=True, unused=answer.slot)
        self.metrics.waited(call.product, time.monotonic() - began)
        return granted

    async def report(
        self, call: Call, answer: errors.TelnyxResponse | None, *, event_id: str, clear: bool = False
    ) -> errors.Refusal | None:
        """Report an answer (None: there was none), and return a refusal of the account with the block that it opens.

        `clear` says that no block, no failure and no limit was known right before: a success then changes nothing.
        """
        refusal = _account_refusal(call, answer)
        report = _call_report(call, answer, refusal)
        if clear and not report.is_news(getattr(self.settings.limits, call.product or "", 0.0)):
            return refusal
        try:
            # Shielded like `acquire`. Other workers need the report even if this handler was cancelled.
            changed = await asyncio.shield(run_uncancelled(rate_limits.report(self.store, event_id, report)))
        except (RedisError, OSError) as error:
            log.warning("an answer of Telnyx was not reported to the other workers", error=describe_cause(error))
            return refusal
        for signal in report.signals:
            if signal.name in changed.opened:
                await self._announce(signal)
        for name in changed.lifted:
            log.info("parked work resumes", block=name)
        for name in changed.kept:
            await self._raise_probe(name, event_id)
        return refusal

    def request(self, call: Call, *, event_id: str, returning: bool) -> AdmissionRequest:
        """Return the request for a call's slot."""
        return AdmissionRequest(
            ticket=secrets.token_hex(8),
            event_id=event_id,
            blocks=list(blocks_of(call).values()),
            product=call.product,
            limit=getattr(self.settings.limits, call.product or "", 0.0),
            requeued=returning,
            max_wait=TIMEOUT,
            probe_timeout=PROBE_TIMEOUT,
        )

    def refusal(self, call: Call, answer: Deferred | Blocked) -> errors.Refusal:
        """Return the refusal of a call that may not go now."""
        if isinstance(answer, Deferred):
            self.metrics.deferred(call.product)
            return errors.Refusal("later", "rate_limit", f"waiting for the rate limit ({call.product})", answer.wait)
        kind = kind_of(answer.block)
        reason = "telnyx_outage" if kind == OUTAGE else kind
        return errors.Refusal("held", reason, f"{answer.detail} · {answer.advice}", block=answer.block)

    async def _raise_probe(self, block: str, event_id: str) -> None:
        """Raise an event for a probe that Telnyx accepted, though a reading of the API keeps the block."""
        payload, now = {"block": block}, clock.now()
        event = NewEvent.derived(f"probe:{block}:{event_id}", PROBE_ACCEPTED, payload, "emit", at=now)
        try:
            await asyncio.shield(run_uncancelled(accept(self.store, [event])))
        except (RedisError, OSError) as error:
            log.warning("the probe of a block was accepted, and nobody looks", error=describe_cause(error))

    async def _announce(self, opened: BlockSignal) -> None:
        if opened.name == OUTAGE:
            log.warning(opened.advice, block=opened.name, detail=opened.detail)
            return
        log.error(opened.advice, block=opened.name, detail=opened.detail)
        if self.notify is not None:
            await self.notify(opened)


def blocks_of(call: Call) -> dict[str, str]:
    """Return the names of the blocks that a call depends on, by kind. Those of a profile concern no other profile."""
    subjects = {"every call": ""}
    if call.is_effect:
        profile = call.messaging_profile_id
        if profile is None or not _PROFILE_ID.fullmatch(profile):
            # A digest, since another value, or a sender without a profile, may be a number.
            profile = hashlib.sha256(f"{profile}/{call.sender}".encode()).hexdigest()[:16]
        subjects["sends by that path"] = f":{call.shown_path.partition('?')[0]}"
        subjects["sends of that messaging profile"] = f":{profile}"
    if call.product in ("sms", "mms"):
        subjects["sends of that number"] = f":{sender_digest(call.sender, call.messaging_profile_id)}"
    concerned = [each for each in ACCOUNT_BLOCKS if each.concerns in subjects]
    named = {each.kind: each.kind + subjects[each.concerns] for each in concerned}
    return {OUTAGE: OUTAGE, **named, **_blocks_of_carrier(call, named.get(CAMPAIGN))}


def sender_digest(sender: str | None, messaging_profile_id: str | None) -> str:
    """Return the name of a sender in blocks, which shows no number. Without one it is the profile's number pool."""
    subject = sender or f"pool of {messaging_profile_id}"
    return hashlib.sha256(subject.encode()).hexdigest()[:16]


def campaign_block(sender: str, carrier: str | None = None) -> str:
    """Return the name of the block for a sender's 10DLC campaign, at all carriers or at one. `sender` is its digest."""
    return f"{CAMPAIGN}:{sender}" + (f":{carrier}" if carrier else "")


def _blocks_of_carrier(call: Call, of_number: str | None) -> dict[str, str]:
    if of_number is None or call.carrier is None:
        return {}
    names = (call.carrier,) if call.carrier == T_MOBILE else (call.carrier, OTHER_CARRIERS)
    return {f"{CAMPAIGN}:{each}": f"{of_number}:{each}" for each in names}


def _account_refusal(call: Call, answer: errors.TelnyxResponse | None) -> errors.Refusal | None:
    """Return the refusal for a reason of the account, with the block that it opens."""
    if answer is None or answer.status < 400:
        return None
    refusal = errors.classify_response(answer, is_send=call.is_send)
    block = blocks_of(call).get(refusal.reason) if refusal.kind == "account" else None
    return replace(refusal, block=block) if block else None


def _call_report(call: Call, answer: errors.TelnyxResponse | None, account: errors.Refusal | None) -> CallReport:
    # Telnyx works even where it refuses this call.
    alive = answer is not None and answer.status < 500
    signals = [_signal(kind, name, answer, account) for kind, name in blocks_of(call).items()]
    if call.product is None or answer is None:
        return CallReport(signals, alive)
    limited = errors.is_rate_limit(answer)
    wait = errors.retry_after(answer.headers) if limited else errors.seconds_until_more_remain(answer)
    return CallReport(
        signals,
        alive,
        product=call.product,
        good=200 <= answer.status < 300,
        limited=limited,
        wait=int(wait * 1000) if wait else None,
        limit=errors.number_in(answer.headers.get("x-ratelimit-limit")) or None,
        limit_lasts=int(LIMIT_LASTS * 1000),
        longest_pause=int(LONGEST_PAUSE * 1000),
    )


def _signal(kind: str, name: str, answer: errors.TelnyxResponse | None, account: errors.Refusal | None) -> BlockSignal:
    """Return the signal of an answer for one block: an answer about the request proves a valid key."""
    status = answer.status if answer is not None else 0
    if kind == OUTAGE:
        return BlockSignal(name, "lifts") if 0 < status < 500 else _outage(str(status or "no answer"))
    if account is not None and account.reason == kind:
        every, quiet = int(ACCOUNT_PROBE * 1000), int(QUIET * 1000)
        return BlockSignal(name, "fails", account.detail, ADVICE[kind], interval=every, longest=every, quiet=quiet)
    if kind.startswith(CAMPAIGN) and 400 <= status < 500:
        return BlockSignal(name, "stays")
    lifts = 0 < status < 500 and status not in (401, 408, 429) if kind == "credentials" else 200 <= status < 300
    return BlockSignal(name, "lifts" if lifts else "unclear")


def _outage(detail: str) -> BlockSignal:
    first, longest = (int(each * 1000) for each in OUTAGE_PROBES)
    return BlockSignal(
        OUTAGE,
        "fails",
        detail,
        ADVICE[OUTAGE],
        interval=first,
        longest=longest,
        quiet=int(QUIET * 1000),
        strikes=OUTAGE_STRIKES,
        within=int(OUTAGE_WITHIN * 1000),
    )
