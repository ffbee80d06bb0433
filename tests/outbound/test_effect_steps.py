"""One effect on its way, step by step, with a ledger and a network that answer as each row says."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import orjson
import pytest

from service.outbound import effect as module
from service.outbound.api_call import Call
from service.outbound.effect import Effect
from service.outbound.errors import Refusal, TelnyxResponse
from service.outbound.handler_run_state import Interrupted, Run
from service.outbound.sender import EffectMetrics, EffectRequest
from service.security.encryption import PLAIN
from service.store.effects.ledger import Entry, StoredAnswer
from service.store.effects.rate_limits import Granted
from service.store.facts.message_states import NotAllowed
from service.store.inbox.leases import LeaseLost
from tests.outbound.test_fate import CODES, DELETE, HOUR, NOW, ORDER, SEND, TOLL_FREE, entry
from tests.outbound.test_runs import Gate

SENT = TelnyxResponse(200, {"content-type": "application/json"}, b'{"data":{"id":"m"}}')
BLANK = entry("withdrawn", unconfirmed=0, version=0, body=None, sent=0)


@dataclass
class Ledger:
    """A ledger with one entry. `begun` are the answers to intents, `looks` what later looks find."""

    entry: Entry
    begun: list[Any] = field(default_factory=lambda: ["begun"])
    looks: list[Entry | None] = field(default_factory=list)
    state: str = ""
    ended: list[tuple[str, int, str]] = field(default_factory=list)
    withdrawn: int = 0
    again: list[bool] = field(default_factory=list)

    async def entry_of(self, _: Call) -> Entry:
        return self.entry

    async def entry_now(self, entry: Entry) -> Entry | None:
        return self.looks.pop(0) if self.looks else entry

    def intended(self, entry: Entry, call: Call) -> Entry:
        return replace(entry, state="started", body=call.body)

    def has_bytes_of(self, entry: Entry, call: Call) -> bool:
        return entry.digest in PLAIN.forms(call.digest)

    async def begin(self, _: Entry, *, again: bool, conditions: Any = None) -> Any:
        self.again.append(again)
        return self.begun.pop(0) if len(self.begun) > 1 else self.begun[0]

    def withdraw(self, _: Entry) -> None:
        self.withdrawn += 1

    async def await_withdrawal(self, _: Entry) -> None:
        """Nothing was cut off."""

    async def end(self, _: Entry, outcome: str, answer: StoredAnswer, *, sent_at: int, why: str) -> str:
        self.ended.append((outcome, answer.status, why))
        return self.state or outcome


@dataclass
class Network:
    """The way to Telnyx: what each request is answered. A request may end without an answer."""

    answers: list[TelnyxResponse | None]
    left: bool = True
    requests: list[str] = field(default_factory=list)

    async def send(self, _: httpx.Request, wanted: EffectRequest) -> TelnyxResponse | None:
        wanted.left = self.left
        wanted.error = "ReadTimeout"
        self.requests.append(f"{wanted.call.method} {wanted.call.body.decode()} {wanted.key is not None}")
        return self.answers.pop(0)

    async def get(self, _: httpx.Request, path: str) -> TelnyxResponse | None:
        self.requests.append(path.partition("?")[0])
        return self.answers.pop(0)


@dataclass
class Case:
    """An effect with all that is around it, and how it ended."""

    ledger: Ledger
    network: Network
    run: Run
    metrics: EffectMetrics
    effect: Effect

    def answer(self) -> TelnyxResponse:
        return anyio.run(self.effect.answer)

    def refusal(self) -> Refusal:
        with pytest.raises(Interrupted):
            self.answer()
        assert self.run.note is not None
        return self.run.note

    def counted(self, result: str) -> float:
        name = f"{self.effect.call.method} /{self.effect.call.path.split('/')[1]}"
        labels = {"operation": name, "result": result}
        return self.metrics.registry.get_sample_value("ringback_effects_total", labels) or 0


def case(
    call: Call = SEND,
    known: Entry = BLANK,
    *answers: TelnyxResponse | None,
    leased: Sequence[bool] = (True,),
    uncertain: bool = False,
    left: bool = True,
    account: Refusal | None = None,
    **of_ledger: Any,
) -> Case:
    holds = list(leased)
    lease: Any = SimpleNamespace(record=SimpleNamespace(id="event"), now=lambda: NOW, uncertain=uncertain)
    gate: Any = Gate(Granted(0.0, calm=True), account)
    run = Run(lease, "handler", lambda: holds.pop(0) if len(holds) > 1 else holds[0], gate)
    ledger, network, metrics = Ledger(known, **of_ledger), Network(list(answers), left), EffectMetrics()
    request = httpx.Request(call.method, f"https://telnyx.example{call.path}")
    effect = Effect(call, run, ledger, network, request, "same-key", metrics)  # type: ignore[arg-type] # in their place
    return Case(ledger, network, run, metrics, effect)


@pytest.fixture(autouse=True)
def _without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN", 0)


def test_a_new_effect_is_sent_once_and_its_answer_kept() -> None:
    made = case(SEND, BLANK, SENT)
    assert made.answer() == SENT
    assert made.network.requests == [f"POST {SEND.body.decode()} True"]
    assert made.ledger.ended == [("done", 200, "")]
    assert made.ledger.again == [False]
    assert made.counted("done") == 1
    assert made.run.gate.reported["clear"] is True  # type: ignore[attr-defined]


@pytest.mark.parametrize("digest", [PLAIN.hide(SEND.digest), "other"])
def test_an_effect_that_happened_is_answered_from_the_ledger(digest: str) -> None:
    stored = StoredAnswer(202, "text/plain", b"kept")
    made = case(SEND, entry("done", digest=digest, answer=stored))
    assert made.answer() == TelnyxResponse(202, {"content-type": "text/plain"}, b"kept")
    [remark] = made.run.remarks
    assert remark.startswith("POST /messages was answered from the ledger")
    assert remark.endswith("though this run would have sent something else") is (digest == "other")
    assert (made.counted("stored"), made.network.requests) == (1, [])
    assert case(SEND, entry("done", status=204)).answer() == TelnyxResponse(204)


def test_the_stored_bytes_go_again_under_their_key() -> None:
    known = entry(body=b"stored", caller_key=False)
    made = case(SEND, known, SENT)
    assert made.answer() == SENT
    assert made.network.requests == ["POST stored True"]
    assert made.ledger.again == [True]


def test_what_another_run_works_on_is_waited_for_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LOOKS", 3)
    done = entry("done", caller_key=True, answer=StoredAnswer(200))
    blank = replace(BLANK, caller_key=True)
    assert case(SEND, blank, looks=[None, None, done]).answer().status == 200
    refusal = case(SEND, blank, looks=[None] * 3).refusal()
    assert (refusal.kind, refusal.reason, refusal.after) == ("later", "in_progress", 1.0)


def test_an_entry_that_others_keep_changing_defers_the_handler() -> None:
    made = case(SEND, BLANK, begun=["changed"])
    assert made.refusal().reason == "in_progress"
    assert len(made.ledger.again) == module.MAX_STEPS
    assert case(SEND, BLANK, SENT, begun=["changed", "begun"]).answer() == SENT


def test_a_look_that_found_no_entry_is_believed_once() -> None:
    made = case(SEND, replace(BLANK, caller_key=True), SENT, looks=[entry("done", answer=StoredAnswer(201))])
    made.run.absent.add(BLANK.name)
    assert made.answer() == SENT
    assert not made.run.absent
    again = case(SEND, replace(BLANK, caller_key=True), looks=[entry("done", answer=StoredAnswer(201))])
    assert again.answer().status == 201


@pytest.mark.parametrize(("sealed_under", "reason"), [("aabbccdd", "sealed"), (None, "unreadable")])
def test_an_entry_that_cannot_be_read_ends_the_handler(sealed_under: str | None, reason: str) -> None:
    refusal = case(SEND, entry(unread=True, sealed_under=sealed_under)).refusal()
    assert (refusal.kind, refusal.reason) == ("hopeless", reason)


def test_what_may_not_show_yet_is_looked_for_later() -> None:
    refusal = case(ORDER, entry(sent=NOW - 59_000)).refusal()
    assert (refusal.kind, refusal.reason, refusal.after) == ("later", "looking_up", 1.0)


def test_what_nobody_can_tell_is_for_a_person() -> None:
    made = case(CODES, entry(method="POST", path="/codes", recipient="+1312•••0001"))
    refusal = made.refusal()
    assert (refusal.kind, refusal.reason) == ("ambiguous", "ambiguous")
    assert refusal.detail == (
        "whether POST /codes for +1312•••0001 took effect is not known: there is nothing at Telnyx to tell it by."
        " Look at Telnyx, then say it: ringback dead retry event --sent, or --not-sent"
    )
    assert made.counted("ambiguous") == 1
    assert " for " not in case(CODES, entry(recipient="")).refusal().detail.partition(" took")[0]


@pytest.mark.parametrize(("call", "version", "uncertain"), [(SEND, 0, True), (SEND, 1, False), (DELETE, 0, False)])
def test_after_a_time_that_is_lost_only_what_may_be_repeated_is_sent(
    call: Call, version: int, *, uncertain: bool
) -> None:
    made = case(call, replace(BLANK, version=version), SENT, uncertain=True)
    if not uncertain:
        assert made.answer() == SENT
        return
    assert made.refusal().detail.count("no worker ran for 23 hours or more") == 1
    assert (made.ledger.again, made.network.requests) == ([False], [])


def test_a_missing_key_of_consent_defers_the_handler_for_a_minute() -> None:
    refusal = case(SEND, BLANK, begun=[NotAllowed("encryption_key_missing", ("k1", "k2"))]).refusal()
    assert (refusal.kind, refusal.reason, refusal.after) == ("later", "encryption_key_missing", 60.0)
    assert "(k1, k2)" in refusal.detail


@pytest.mark.parametrize(
    ("known", "about", "ended", "remark"),
    [
        (BLANK, (), [], "POST /messages for +1312•••0001 was not sent: opted_out"),
        (entry(unconfirmed=0), ("e2",), [("withdrawn", 0, "opted_out")], "was not sent: opted_out by e2"),
        (entry(), (), [], "was not sent: opted_out fate=unknown"),
        (replace(BLANK, recipient="of the entry"), (), [], "POST /messages for of the entry was not sent: opted_out"),
        (replace(BLANK, recipient=""), (), [], "POST /messages for +1312•••0001 was not sent: opted_out"),
    ],
)
def test_what_may_not_be_sent_is_told_and_answered(
    known: Entry, about: tuple[str, ...], ended: list[Any], remark: str
) -> None:
    looked = TelnyxResponse(200, {}, b'{"data":[]}')
    made = case(SEND, known, looked, begun=[NotAllowed("opted_out", about)])
    answer = made.answer()
    assert (answer.status, answer.headers["x-ringback-not-sent"]) == (403, "opted_out")
    assert made.ledger.ended == ended
    assert made.run.remarks[0].endswith(remark)
    assert made.counted("not_sent") == 1
    assert made.network.requests == []


def test_what_may_not_be_sent_but_was_is_found_at_telnyx() -> None:
    body = orjson.dumps({"to": "+13125550001", "from": "+13125550002"})
    call = replace(SEND, body=body)
    row = {"cld": "+13125550001", "cli": "+13125550002", "created_at": "2027-01-15T08:00:00Z", "uuid": "m-7"}
    found = TelnyxResponse(200, {}, orjson.dumps({"data": [row]}))
    made = case(call, entry(body=body), found, begun=[NotAllowed("opted_out")])
    assert orjson.loads(made.answer().body) == {"data": {"id": "m-7"}}
    assert made.ledger.ended == [("done", 200, "")]
    assert (made.counted("found"), made.counted("not_sent")) == (1, 0)
    unsent = case(call, entry(body=body, unconfirmed=0), found, begun=[NotAllowed("opted_out")])
    assert unsent.answer().status == 403
    assert unsent.network.requests == []


def test_without_its_lease_a_run_withdraws_and_sends_nothing() -> None:
    made = case(SEND, BLANK, SENT, leased=(True, True, False))
    with pytest.raises(LeaseLost):
        made.answer()
    assert (made.ledger.withdrawn, made.network.requests, made.run.lease_lost) == (1, [], True)


@pytest.mark.parametrize(("left", "outcome"), [(True, "unknown"), (False, "withdrawn")])
def test_a_request_without_an_answer_is_withdrawn_only_if_no_byte_left(*, left: bool, outcome: str) -> None:
    made = case(SEND, BLANK, None, left=left)
    refusal = made.refusal()
    assert (refusal.kind, refusal.reason) == ("later", "telnyx_unreachable")
    assert made.ledger.ended == [(outcome, 0, "ReadTimeout")]
    assert made.counted(outcome) == 1


@pytest.mark.parametrize("left", [True, False])
def test_a_request_that_is_cut_off_is_withdrawn_only_if_no_byte_left(
    monkeypatch: pytest.MonkeyPatch, *, left: bool
) -> None:
    made = case(SEND, BLANK)

    async def fail(_: httpx.Request, wanted: EffectRequest) -> None:
        wanted.left = left
        raise KeyError

    monkeypatch.setattr(made.network, "send", fail)
    with pytest.raises(KeyError):
        made.answer()
    assert made.ledger.withdrawn == (0 if left else 1)


@pytest.mark.parametrize(
    ("call", "known", "answer", "state", "kind", "words"),
    [
        (SEND, BLANK, TelnyxResponse(429, {"retry-after": "7"}), "started", "later", "429"),
        (SEND, entry(), TelnyxResponse(422, {}, b'{"errors":[{"code":"40001"}]}'), "started", "ambiguous", "40001"),
        (SEND, entry(), TelnyxResponse(422, {}, b"idempotency"), "started", "ambiguous", "used for another request"),
        (DELETE, entry(), TelnyxResponse(409), "started", "later", "409"),
    ],
)
def test_an_answer_that_is_no_end_is_noted_as_what_it_means(
    call: Call, known: Entry, answer: TelnyxResponse, state: str, kind: str, words: str
) -> None:
    refusal = case(call, known, answer, state=state).refusal()
    assert refusal.kind == kind
    assert words in refusal.detail


@pytest.mark.parametrize("state", ["refused", "gone"])
def test_a_refusal_is_the_handlers_where_the_ledger_knows_it_as_one(state: str) -> None:
    answer = TelnyxResponse(400, {}, b'{"errors":[{"code":"40310"}]}')
    made = case(SEND, BLANK, answer, state=state)
    assert made.answer() == answer
    assert made.ledger.ended == [("refused", 400, "400 · 40310")]


def test_a_reason_of_the_account_comes_before_that_of_the_answer() -> None:
    account = Refusal("account", "credentials", "d", block="credentials")
    assert case(SEND, BLANK, TelnyxResponse(401), state="withdrawn", account=account).refusal() is account


def test_a_delete_of_what_is_gone_is_done() -> None:
    made = case(DELETE, entry(), TelnyxResponse(404))
    answer = made.answer()
    assert (answer.status, orjson.loads(answer.body)) == (200, {"data": {"id": "abc"}})
    assert made.ledger.ended == [("done", 200, "")]
    first = case(DELETE, BLANK, TelnyxResponse(404))
    assert first.answer().status == 404


@pytest.mark.parametrize(
    ("answers", "kind", "reason"),
    [
        ([None], "later", "telnyx_unreachable"),
        ([TelnyxResponse(503)], "later", "telnyx_outage"),
        ([TelnyxResponse(429)], "later", "rate_limit"),
        ([TelnyxResponse(300)], "later", "rate_limit"),
        ([TelnyxResponse(199)], "later", "rate_limit"),
        ([TelnyxResponse(404)], "ambiguous", "ambiguous"),
        ([TelnyxResponse(200, {}, b'{"data":[]}')], "ambiguous", "ambiguous"),
    ],
)
def test_a_look_that_fails_proves_nothing(answers: list[TelnyxResponse | None], kind: str, reason: str) -> None:
    made = case(ORDER, entry(sent=NOW - 60_000, body=ORDER.body), *answers)
    refusal = made.refusal()
    assert (refusal.kind, refusal.reason) == (kind, reason)
    assert made.network.requests == ["/messaging_hosted_number_orders"]


def test_a_look_that_meets_a_reason_of_the_account_parks_the_handler() -> None:
    account = Refusal("account", "credentials", "d", block="credentials")
    known = entry(sent=NOW - 60_000, body=ORDER.body)
    assert case(ORDER, known, TelnyxResponse(401), account=account).refusal() is account


def test_a_toll_free_request_that_differs_is_sent_again_for_a_while() -> None:
    other = TelnyxResponse(200, {}, b'{"data":{"name":"other"}}')
    known = entry(sent=NOW - 5 * 60_000, body=b'{"name":"a"}', method="PATCH", path=TOLL_FREE.path)
    made = case(replace(TOLL_FREE, body=b'{"name":"a"}'), known, other, SENT)
    assert made.answer() == SENT
    assert made.network.requests == [TOLL_FREE.path, 'PATCH {"name":"a"} False']
    old = case(replace(TOLL_FREE, body=b'{"name":"a"}'), replace(known, first_at=NOW - HOUR), other)
    assert "what is found there is not what was sent" in old.refusal().detail
