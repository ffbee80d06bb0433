"""Reads of a handler's run: an answer is given as it is. What parks the work ends the run."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from service.outbound import dry_run, sender
from service.outbound import transport as module
from service.outbound.api_call import Call
from service.outbound.effect import Effect
from service.outbound.errors import Refusal
from service.outbound.handler_run_state import HandlerEnded, Interrupted, Run, current_run
from service.outbound.sender import EffectMetrics, EffectRequest, Sender
from service.outbound.transport import EffectTransport
from service.settings import Settings
from service.store.effects.rate_limits import Granted
from tests.outbound.test_runs import run

BASE = "https://telnyx.example/base"
READ = httpx.Request("GET", f"{BASE}/messages/1")
SEND = httpx.Request("POST", f"{BASE}/messages", json={"to": "+13125550142"})
ACCOUNT = Refusal("account", "credentials", "d", block="credentials")


async def asked(made: Run | None, request: httpx.Request, answer: Any, **settings: Any) -> httpx.Response:
    def respond(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return] # a response

    store: Any = SimpleNamespace()
    told = Settings(telnyx_api_key="KEY", base_url=BASE, **settings)
    tested = EffectTransport(httpx.MockTransport(respond), store, told, EffectMetrics())
    token = current_run.set(made)
    try:
        return await tested.handle_async_request(request)
    finally:
        current_run.reset(token)


def let_through(**fields: Any) -> Run:
    return run(Granted(0.0, calm=True), refusal=fields.pop("refusal", None), **fields)


@pytest.mark.anyio
async def test_an_answer_is_given_without_what_belonged_to_the_way() -> None:
    headers = {"content-type": "application/json", "content-encoding": "identity"}
    made = let_through()
    answer = await asked(made, READ, httpx.Response(200, headers=headers, content=b'{"data":1}'))
    assert (answer.json(), answer.headers["content-type"]) == ({"data": 1}, "application/json")
    assert "content-encoding" not in answer.headers
    assert "x-should-retry" not in answer.headers
    assert made.gate.reported["clear"] is True  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_a_gate_that_was_just_found_open_is_not_asked() -> None:
    made = run(refusal=None, clear_until=float("inf"))
    await asked(made, READ, httpx.Response(200, json={}))
    assert not hasattr(made.gate, "asked")
    assert made.gate.reported["clear"] is True  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_a_read_without_an_answer_is_the_handlers_to_meet() -> None:
    made = let_through()
    with pytest.raises(httpx.ConnectError):
        await asked(made, READ, httpx.ConnectError("x"))
    assert made.note is None
    assert made.gate.reported == {"event_id": "event-1", "clear": False}  # type: ignore[attr-defined]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("made", "answer", "note"),
    [
        (let_through(refusal=ACCOUNT), httpx.Response(401), ACCOUNT),
        (let_through(), httpx.LocalProtocolError("x"), module._UNSENDABLE),
        (let_through(), httpx.Response(200, headers={"content-type": "text/html"}, content=b"<"), module._GARBLED),
    ],
)
async def test_what_no_handler_could_read_ends_the_run(made: Run, answer: Any, note: Refusal) -> None:
    with pytest.raises(Interrupted):
        await asked(made, READ, answer)
    assert made.note == note


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (Unreachable("x"), "later", "ledger_unreachable"),
        (OSError("x"), "later", "ledger_unreachable"),
        (httpx.LocalProtocolError("x"), "hopeless", "request"),
        (ResponseError("WRONGTYPE x"), "bug", "ResponseError"),
        (KeyError("x"), "bug", "KeyError"),
    ],
)
async def test_each_trouble_of_an_effect_ends_the_run_and_is_never_repeated(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str, reason: str
) -> None:
    async def fail(_: Any) -> None:
        raise error

    monkeypatch.setattr(Effect, "answer", fail)
    made = let_through()
    with pytest.raises(Interrupted):
        await asked(made, SEND, httpx.Response(200))
    assert made.note is not None
    assert (made.note.kind, made.note.reason) == (kind, reason)


@pytest.mark.anyio
async def test_outside_a_run_requests_go_as_they_are_and_errors_are_theirs() -> None:
    assert (await asked(None, SEND, httpx.Response(202))).status_code == 202
    with pytest.raises(httpx.ConnectError):
        await asked(None, SEND, httpx.ConnectError("x"))


@pytest.mark.anyio
async def test_an_ended_run_sends_nothing() -> None:
    for request in (READ, SEND):
        with pytest.raises(HandlerEnded):
            await asked(let_through(ended=True), request, httpx.Response(200))


@pytest.mark.anyio
async def test_a_dry_run_reads_and_makes_up_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await asked(None, READ, httpx.Response(203), dry_run=True)).status_code == 203
    made_up = await asked(None, SEND, httpx.Response(500), dry_run=True)
    assert made_up.json()["data"]["id"].startswith("dry-run-")

    async def pretend(_: Any, call: Any) -> Any:
        return dry_run.made_up(call)

    monkeypatch.setattr(dry_run, "pretend", pretend)
    assert (await asked(let_through(), SEND, httpx.Response(500), dry_run=True)).status_code == 200
    with pytest.raises(HandlerEnded):
        await asked(let_through(ended=True), SEND, httpx.Response(500), dry_run=True)


STOPPED = b'{"errors":[{"code":"40300"}]}'


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "recipient", "body", "recorded"),
    [
        (400, "+13125550142", STOPPED, True),
        (403, "+13125550142", STOPPED, True),
        (399, "+13125550142", STOPPED, False),
        (200, "+13125550142", STOPPED, False),
        (403, None, STOPPED, False),
        (403, "+13125550142,+13125550143", STOPPED, False),
        (403, "+13125550142", b'{"errors":[{"code":"1"}]}', False),
    ],
)
async def test_a_stop_that_telnyx_tells_is_kept(
    monkeypatch: pytest.MonkeyPatch, status: int, recipient: str | None, body: bytes, *, recorded: bool
) -> None:
    kept: list[Any] = []

    async def record(_: Any, words: Any, *, now: float) -> None:
        kept.extend(words)
        raise Unreachable("x")

    monkeypatch.setattr(sender, "record_consent", record)
    store: Any = SimpleNamespace()
    tested = Sender(httpx.MockTransport(lambda _: httpx.Response(status, content=body)), "/base", store)
    wanted = EffectRequest(Call("POST", "/messages", b"{}", "application/json", recipient=recipient), "key")
    with capture_logs() as logs:
        answer = await tested.send(SEND, wanted)
    assert answer is not None
    assert answer.status == status
    assert [(each.number, each.said, each.at, each.source) for each in kept] == (
        [(recipient, "out", None, "40300")] if recorded else []
    )
    assert [each["error"] for each in logs] == (["ConnectionError"] if recorded else [])
