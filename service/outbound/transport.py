"""The transport beneath the official SDK: its user notices nothing, and no effect of a handler happens twice."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import httpx
import structlog
from redis.exceptions import RedisError

from service.outbound import dry_run
from service.outbound.api_call import Call, read_call
from service.outbound.effect import Effect
from service.outbound.effect_rules import to_carrier
from service.outbound.errors import Refusal, TelnyxResponse, is_garbled
from service.outbound.handler_run_state import HandlerEnded, Run, current_run
from service.outbound.run_ledger import RunLedger
from service.outbound.sender import NO_ANSWER, EffectMetrics, Sender
from service.security.masking import describe_error
from service.settings import Settings
from service.store.scripts import is_script_error
from service.store.store import Store

log = structlog.get_logger(__name__)

NOT_AGAIN = {"x-should-retry": "false"}
"""Tells the SDK (its `_should_retry`) not to repeat an effect: the ledger decides that."""
_GARBLED = Refusal("later", "telnyx_unreadable", "a read was answered by a page, or by half of its JSON")
_UNSENDABLE = Refusal("hopeless", "request", "the request cannot be sent: HTTP allows no such header")
_NOT_OF_THE_WHOLE = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class EffectTransport(httpx.AsyncBaseTransport):
    """Sends requests through another transport: reads at once, effects of a run by way of gate and ledger."""

    def __init__(
        self, transport: httpx.AsyncBaseTransport, store: Store, settings: Settings, metrics: EffectMetrics
    ) -> None:
        self._sender = Sender(transport, httpx.URL(settings.base_url).path.rstrip("/"), store)
        self._settings = settings
        self._metrics = metrics

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, or end the run that it belongs to.

        Raises:
            service.outbound.handler_run_state.HandlerEnded: a task that outlived its handler asks.
            service.outbound.handler_run_state.Interrupted: the run's note overrides the handler's result.
            LeaseLost: the run may begin no effect any more.
            httpx.RequestError: no answer came to a read.
        """
        run, call = current_run.get(), to_carrier(await read_call(request, self._sender.base_path))
        with _contained(run, call):
            if call.is_effect and self._settings.dry_run:
                return _response(await self._dry_run(run, call))
            if run is None:
                return await self._sender.transport.handle_async_request(request)
            run.check()
            if not call.is_effect:
                return await self._read(run, call, request)
            ledger, resend = self._ledger(run), self._settings.resend
            effect = Effect(call, run, ledger, self._sender, request, resend, self._metrics)
            return _response(await effect.answer(), NOT_AGAIN)

    async def _dry_run(self, run: Run | None, call: Call) -> TelnyxResponse:
        self._metrics.ended(call, "would")
        if run is None:
            return dry_run.made_up(call)
        run.check()
        return await dry_run.pretend(self._ledger(run), call)

    def _ledger(self, run: Run) -> RunLedger:
        return RunLedger(self._sender.store, run, self._settings.retention)

    async def _read(self, run: Run, call: Call, request: httpx.Request) -> httpx.Response:
        """Read: that changes nothing, so that only a block of all work parks it."""
        clear = run.gate_is_open
        if not clear:
            clear = await run.acquire(call)
        try:
            answer = await self._sender.read(request)
        except httpx.LocalProtocolError:
            raise run.interrupt(_UNSENDABLE) from None
        except NO_ANSWER:
            await run.report(call, None)
            raise
        account = await run.report(call, answer, clear=clear)
        if account is not None:
            raise run.interrupt(account)
        if is_garbled(answer):
            # The SDK would raise an error of its parser, or give the handler a text in place of a model.
            raise run.interrupt(_GARBLED)
        return _response(answer)

    async def aclose(self) -> None:
        """Close the transport beneath."""
        await self._sender.transport.aclose()


@contextmanager
def _contained(run: Run | None, call: Call) -> Iterator[None]:
    """Let only what a read of Telnyx may rightly raise reach the SDK. Everything else ends the run as its note says."""
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
    """Return the refusal of a failure: a wait for Redis or a socket, an attempt for our own code."""
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


def _response(answer: TelnyxResponse, more: Mapping[str, str] = MappingProxyType({})) -> httpx.Response:
    kept = {name: value for name, value in answer.headers.items() if name not in _NOT_OF_THE_WHOLE}
    # In UTF-8, as not all headers are ASCII, and an error here would have the SDK repeat what was done.
    headers = httpx.Headers({**kept, **more}, encoding="utf-8")
    return httpx.Response(answer.status, headers=headers, content=answer.body)
