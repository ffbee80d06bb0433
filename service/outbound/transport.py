"""The transport beneath the official SDK: its user notices nothing, and no effect of a handler happens twice."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import httpx
import structlog
from prometheus_client import CollectorRegistry, Counter
from redis.exceptions import RedisError

from service import clock
from service.events.consent import ConsentChange
from service.monitoring.labels import Labels
from service.outbound import dry_run
from service.outbound.api_call import Call, read_call
from service.outbound.effect import Effect, EffectRequest
from service.outbound.effect_rules import Resend, Result
from service.outbound.errors import STOP, Refusal, TelnyxResponse, codes
from service.outbound.gate import Gate
from service.outbound.handler_run_state import HandlerEnded, Run, current_run
from service.outbound.run_ledger import RunLedger
from service.security.masking import describe_error
from service.store.facts.consent import record_consent
from service.store.keys import Keys
from service.store.scripts import is_script_error

log = structlog.get_logger(__name__)

NOT_AGAIN = {"x-should-retry": "false"}
"""Tells the SDK (its `_should_retry`) not to repeat an effect: the ledger decides that."""
NO_ANSWER = (httpx.RequestError, OSError)
"""Errors in place of an answer; beside httpx's own, only errors of the socket and of TLS."""
_UNSENDABLE = Refusal("hopeless", "request", "the request cannot be sent: HTTP allows no such header")
_NOT_OF_THE_WHOLE = frozenset({"content-encoding", "content-length", "transfer-encoding"})


@dataclass
class EffectMetrics:
    """Effects by what they were to do and what came of them."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self._operations = Labels(r"[A-Z]+ /[a-z0-9_]{1,40}", most=50)
        self._effects = Counter(
            "ringback_effects",
            "Calls that change something at Telnyx, by operation and result.",
            ["operation", "result"],
            registry=self.registry,
        )

    def ended(self, call: Call, result: Result) -> None:
        """This came of a call, or of one of its requests."""
        # Further segments name things; a method and a resource are few.
        resource = call.path.lstrip("/").partition("?")[0].partition("/")[0]
        self._effects.labels(self._operations.of(f"{call.method} /{resource}"), result).inc()


@dataclass(frozen=True)
class LedgerSettings:
    """The settings of effects: the ledger, its retention, the rule for repetitions, and the metrics."""

    redis: Any
    keys: Keys
    retention: float
    resend: Resend = "same-key"
    dry_run: bool = False
    metrics: EffectMetrics = field(default_factory=EffectMetrics)


class EffectTransport(httpx.AsyncBaseTransport):
    """Sends requests through another transport: reads at once, effects of a run by way of gate and ledger."""

    def __init__(
        self, transport: httpx.AsyncBaseTransport, *, base_path: str, gate: Gate, ledgers: LedgerSettings
    ) -> None:
        self._transport = transport
        self._base_path = base_path.rstrip("/")
        self._gate = gate
        self._ledgers = ledgers

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, or end the run that it belongs to.

        Raises:
            service.outbound.handler_run_state.HandlerEnded: a task that outlived its handler asks.
            service.outbound.handler_run_state.Interrupted: the run's note says what it is to end in.
            LeaseLost: the run may begin no effect any more.
            httpx.RequestError: no answer came to a read.
        """
        run, call = current_run.get(), await read_call(request, self._base_path)
        with _contained(run, call):
            if call.is_effect and self._ledgers.dry_run:
                return _response(await self._pretend(run, call))
            if run is None:
                return await self._transport.handle_async_request(request)
            run.check()
            if not call.is_effect:
                return await self._read(run, call, request)
            return _response(await self._effect(run, call, request).answer(), NOT_AGAIN)

    def _effect(self, run: Run, call: Call, request: httpx.Request) -> Effect:
        return Effect(
            call,
            run,
            self._journal(run),
            self._gate,
            send=partial(self._send, request),
            get=partial(self._get, request),
            resend=self._ledgers.resend,
            ended=partial(self._ledgers.metrics.ended, call),
        )

    async def _pretend(self, run: Run | None, call: Call) -> TelnyxResponse:
        self._ledgers.metrics.ended(call, "would")
        if run is None:
            return dry_run.made_up(call)
        run.check()
        return await dry_run.pretend(self._journal(run), call)

    def _journal(self, run: Run) -> RunLedger:
        return RunLedger(self._ledgers.redis, self._ledgers.keys, run, self._ledgers.retention)

    async def _read(self, run: Run, call: Call, request: httpx.Request) -> httpx.Response:
        """A read changes nothing: only what parks all work parks it too."""
        clear = run.way_is_clear
        refusal = None if clear else await self._gate.acquire(call, event_id=run.event_id, returning=run.returning)
        if refusal is not None:
            raise run.interrupt(refusal)
        try:
            response = await self._transport.handle_async_request(request)
            answer = await _answer(response)
        except httpx.LocalProtocolError:
            raise run.interrupt(_UNSENDABLE) from None
        except NO_ANSWER:
            await self._gate.report(call, None, event_id=run.event_id)
            raise
        account = await self._gate.report(call, answer, event_id=run.event_id, clear=clear)
        if account is not None:
            raise run.interrupt(account)
        return _response(answer)

    async def _send(self, original: httpx.Request, wanted: EffectRequest) -> TelnyxResponse | None:
        """Send once; `original` gives the address and the credentials, `wanted` the bytes and the key."""

        async def trace(event: str, _: Mapping[str, Any]) -> None:
            if event.endswith("send_request_headers.started"):
                wanted.left = True

        request = httpx.Request(
            original.method,
            original.url,
            headers=_headers(original, wanted),
            content=wanted.call.body,
            extensions={**original.extensions, "trace": trace},
        )
        try:
            answer = await _answer(await self._transport.handle_async_request(request))
        except httpx.LocalProtocolError:
            # httpx refuses the request before a byte of it leaves.
            wanted.left = False
            raise
        except NO_ANSWER as error:
            wanted.error = type(error).__name__
            return None
        await self._heed_stop(wanted.call, answer)
        return answer

    async def _heed_stop(self, call: Call, answer: TelnyxResponse) -> None:
        """A 40300 is the recipient's own STOP, told by Telnyx: it is kept, whatever the handler makes of it."""
        if answer.status < 400 or call.recipient is None or "," in call.recipient or STOP not in codes(answer.body):
            return
        word = ConsentChange(call.recipient, "out", None, "40300")
        try:
            await record_consent(self._ledgers.redis, self._ledgers.keys, [word], now=clock.now())
        except (RedisError, OSError) as trouble:
            log.warning("an opt-out was not recorded; Telnyx's own list still holds it", error=type(trouble).__name__)

    async def _get(self, original: httpx.Request, path: str) -> TelnyxResponse | None:
        """Read something at Telnyx with the credentials of a request."""
        url = original.url.copy_with(raw_path=(self._base_path + path).encode())
        headers = {"authorization": original.headers.get("authorization", ""), "host": original.headers["host"]}
        request = httpx.Request("GET", url, headers=headers, extensions=original.extensions)
        try:
            return await _answer(await self._transport.handle_async_request(request))
        except NO_ANSWER:
            return None

    async def aclose(self) -> None:
        """Close the transport beneath."""
        await self._transport.aclose()


@contextmanager
def _contained(run: Run | None, call: Call) -> Iterator[None]:
    """Let only what a read of Telnyx may rightly raise reach the SDK; everything else ends the run as its note says."""
    passing = (HandlerEnded,) if call.is_effect else (HandlerEnded, *NO_ANSWER)
    try:
        yield
    except passing:
        raise
    except Exception as error:
        if run is None:
            raise
        # The SDK would take it for an outage and repeat the call, and the ledger take that for another effect.
        raise run.interrupt(_unforeseen(run, call, error)) from error


def _unforeseen(run: Run, call: Call, error: Exception) -> Refusal:
    """Return what the run ends in: a wait where Redis or a socket failed, an attempt where our own code did."""
    if isinstance(error, httpx.LocalProtocolError):
        return _UNSENDABLE
    if isinstance(error, (RedisError, *NO_ANSWER)) and not is_script_error(error):
        return Refusal("later", "ledger_unreachable", f"the ledger cannot be used now ({type(error).__name__})")
    log.error(
        "a call to Telnyx met a bug of Ringback",
        error=describe_error(error),
        event_id=run.event_id,
        handler=run.handler,
    )
    return Refusal("bug", type(error).__name__, f"{call.method} met a bug of Ringback: {describe_error(error)}")


def _headers(original: httpx.Request, wanted: EffectRequest) -> httpx.Headers:
    headers = original.headers.copy()
    for name in ("idempotency-key", "content-length", "transfer-encoding"):
        headers.pop(name, None)
    if wanted.call.content_type:
        headers["content-type"] = wanted.call.content_type
    if wanted.key is not None:
        headers["idempotency-key"] = wanted.key
    return headers


async def _answer(response: httpx.Response) -> TelnyxResponse:
    """An answer, read to its end: one that breaks off is none."""
    try:
        body = await response.aread()
    finally:
        await response.aclose()
    return TelnyxResponse(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)


def _response(answer: TelnyxResponse, more: Mapping[str, str] = MappingProxyType({})) -> httpx.Response:
    kept = {name: value for name, value in answer.headers.items() if name not in _NOT_OF_THE_WHOLE}
    # In UTF-8, as not all headers are ASCII, and an error here would have the SDK repeat what was done.
    headers = httpx.Headers({**kept, **more}, encoding="utf-8")
    return httpx.Response(answer.status, headers=headers, content=answer.body)
