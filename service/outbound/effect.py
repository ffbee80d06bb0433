"""One effect on its way: looked up in the ledger, let through, intended, sent, and its answer kept.

    look ── done ───────────────────────────────► the stored answer
     └─ else ─► gate ─► intent ─► request ─► answer kept ─► answer

Every other result is noted on the run and raised as `Interrupted`. So the SDK repeats nothing.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Self

import httpx
import structlog

from service.outbound import effect_rules, lookups
from service.outbound.api_call import Call, key_header
from service.outbound.errors import Refusal, TelnyxResponse, classify_response, is_idempotency_conflict, unreachable
from service.outbound.handler_run_state import Interrupted, Run
from service.outbound.run_ledger import RunLedger
from service.outbound.sender import EffectMetrics, EffectRequest, Sender
from service.store.effects.ledger import EffectOutcome, Entry, StoredAnswer
from service.store.facts.message_states import NotAllowed

log = structlog.get_logger(__name__)

MAX_STEPS = 8
"""Steps before the handler is deferred, where others keep changing the entry between our look and our intent."""
LOOK_AGAIN = 0.1
MAX_LOOKS = 20
"""Looks, `LOOK_AGAIN` seconds apart, at an effect that another run works on, before the handler is deferred."""
_IN_OTHER_HANDS = Refusal("later", "in_progress", "another run has this effect in hand", 1.0)

_SEALED = Refusal(
    "hopeless",
    "sealed",
    "the ledger's entry of this effect is sealed under a key that RINGBACK_ENCRYPTION_KEY does not hold. Add it after a"
    " comma, then retry the event",
)
_DAMAGED = Refusal(
    "hopeless",
    "unreadable",
    "the ledger's entry of this effect is damaged, or was moved from another entry. Look at Telnyx whether it took"
    " effect, then drop the event",
)

_UNCERTAIN = (
    "no worker ran for 23 hours or more since the event arrived. If the data was restored from a backup, it may have"
    " been sent in the time that is lost"
)
MISSING_KEY = "encryption_key_missing"
MISSING_KEY_PAUSE = 60.0


@dataclass(frozen=True)
class Effect:
    """A call of a run that may change something at Telnyx."""

    call: Call
    run: Run
    ledger: RunLedger
    sender: Sender
    original: httpx.Request
    resend: effect_rules.Resend
    metrics: EffectMetrics

    async def answer(self) -> TelnyxResponse:
        """Bring the effect about once, and return Telnyx's answer.

        Raises:
            Interrupted: the run's note overrides the handler's result.
            LeaseLost: the lease is gone.
        """
        entry = await self.ledger.entry_of(self.call)
        try:
            # Concurrent calls of a run under one key are one effect: the second waits for the answer of the first.
            async with self.run.locks[entry.name]:
                await self.ledger.await_withdrawal(entry)
                return await self._taken_for(entry).bring_about(entry)
        except asyncio.CancelledError:
            # A handler that cuts its call off, and makes it again, means the same effect.
            self.run.used.pop(entry.name, None)
            raise

    def _taken_for(self, entry: Entry) -> Self:
        """Return the effect that an entry was taken for: this one, or another that took the entry of this one."""
        meant = self.run.used.get(entry.name, self.call)
        if meant is self.call:
            return self
        what = f"{meant.method} {meant.shown_path}"
        self.run.remarks.append(f"{what} sends what an earlier call wanted, in whose place its own was sent")
        return replace(self, call=meant)

    async def bring_about(self, entry: Entry) -> TelnyxResponse:
        """Take the steps that the entry asks for until there is an answer. It raises as `answer` does."""
        # A look just before that found no entry is believed once. The intent of an entry that exists by now is refused.
        absent = entry.name in self.run.absent
        self.run.absent.discard(entry.name)
        if entry.caller_key and not absent:
            entry = await self._known(entry)
        for _ in range(MAX_STEPS):
            self.run.check()
            if entry.unread:
                raise self.run.interrupt(_DAMAGED if entry.sealed_under is None else _SEALED)
            answer = await self._perform(
                effect_rules.decide(entry, self.call, self.run.lease.now(), resend=self.resend), entry
            )
            if answer is not None:
                return answer
            entry = await self._known(entry)
        raise self.run.interrupt(_IN_OTHER_HANDS)

    async def _perform(self, decision: effect_rules.Decision, entry: Entry) -> TelnyxResponse | None:
        """Perform a step, or None where the entry has changed meanwhile."""
        if decision.step == "return":
            return self._stored(entry)
        if decision.step == "look_up":
            return await self._look_up(decision, entry)
        if decision.step == "wait":
            raise self.run.interrupt(
                Refusal("later", "looking_up", "what it created may not show at Telnyx yet", decision.wait)
            )
        if decision.step == "give_up":
            raise self._ambiguous(entry, decision.why)
        return await self._request(entry, again=decision.step == "send_again")

    async def _known(self, entry: Entry) -> Entry:
        """Return the entry's current form, after waiting for another run that works on it."""
        for _ in range(MAX_LOOKS):
            known = await self.ledger.entry_now(entry)
            if known is not None:
                return known
            await asyncio.sleep(LOOK_AGAIN)
        raise self.run.interrupt(_IN_OTHER_HANDS)

    def _stored(self, entry: Entry) -> TelnyxResponse:
        self.metrics.ended(self.call, "stored")
        kept = entry.answer or StoredAnswer(entry.status)
        differs = not self.ledger.has_bytes_of(entry, self.call)
        remark = f"{entry.method} {entry.path} was answered from the ledger"
        self.run.remarks.append(remark + (", though this run would have sent something else" if differs else ""))
        return TelnyxResponse(kept.status, {"content-type": kept.content_type} if kept.content_type else {}, kept.body)

    async def _request(self, entry: Entry, *, again: bool) -> TelnyxResponse | None:
        conditions = effect_rules.conditions_of(self.call)
        instead_of = conditions.instead_of if conditions is not None else None
        if instead_of is not None and instead_of.against is not None:
            return await self._not_sent(entry, NotAllowed(instead_of.against))
        clear = await self.run.acquire(self.call)
        # The stored bytes go, whatever this run would say now: under one key Telnyx takes one request only.
        intended = entry if again else self.ledger.intended(entry, self.call)
        uncertain = entry.version == 0 and self.run.lease.uncertain and not self.call.repeatable
        begun = await self.ledger.begin(intended, again=again, conditions=conditions)
        if isinstance(begun, NotAllowed):
            return await self._not_sent(entry, begun)
        if begun == "changed":
            return None
        if uncertain:
            # The intent stays unconfirmed, so that a person can settle it.
            raise self._ambiguous(intended, _UNCERTAIN)
        sent_at = self.run.lease.now()
        request, answer = await self._sent(intended)
        if answer is None:
            raise await self._unanswered(intended, request, sent_at, again=again)
        return await self._answered(intended, answer, sent_at, again=again, clear=clear)

    async def _not_sent(self, entry: Entry, refused: NotAllowed) -> TelnyxResponse:
        """Answer that it may not be sent. An unconfirmed request is looked up at Telnyx, and never repeated."""
        if refused.reason == MISSING_KEY:
            raise self.run.interrupt(_missing_key(refused))
        if entry.unconfirmed and (found := await self._found(entry)) is not None:
            return found
        if entry.state == "started" and not entry.unconfirmed:
            await self.ledger.end(entry, "withdrawn", StoredAnswer(0), sent_at=0, why=refused.reason)
        self.metrics.ended(self.call, "not_sent")
        fate = " fate=unknown" if entry.unconfirmed else ""
        holder = f" by {refused.about[0]}" if refused.about else ""
        shown = entry.recipient or self.call.shown_recipient
        remark = f"{entry.method} {entry.path} for {shown} was not sent: {refused.reason}{holder}{fate}"
        self.run.remarks.append(remark)
        log.info("not sent", event_id=self.run.event_id, handler=self.run.handler, reason=remark)
        return effect_rules.answer_not_sent(refused)

    async def _sent(self, entry: Entry) -> tuple[EffectRequest, TelnyxResponse | None]:
        """Send the entry's bytes, unless the lease was lost meanwhile."""
        if not self.run.holds_lease():
            self.ledger.withdraw(entry)
            raise self.run.lose_lease()
        call = replace(self.call, body=entry.body or self.call.body, content_type=entry.content_type)
        request = EffectRequest(call, key_header(self.call, entry.name, entry.generation))
        try:
            return request, await self.sender.send(self.original, request)
        # However the request was cut off: only one that has not left may be withdrawn.
        except (asyncio.CancelledError, Exception):
            if not request.left:
                self.ledger.withdraw(entry)
            raise

    async def _answered(
        self, entry: Entry, answer: TelnyxResponse, sent_at: int, *, again: bool, clear: bool
    ) -> TelnyxResponse:
        """Keep an answer, and give it to the handler or end the run as it asks."""
        outcome = effect_rules.outcome_of(self.call, answer, again=again)
        self.metrics.ended(self.call, outcome, again=again)
        if outcome == "done" and answer.status == 404:
            answer = lookups.gone(self.call)
        state = await self._keep(entry, outcome, answer, sent_at)
        account = await self.run.report(self.call, answer, clear=clear)
        if outcome == "done" or state in ("refused", "gone"):
            return answer
        refusal = account or classify_response(
            answer, is_send=self.call.is_send, conflict_is_final=self.call.answers_conflict and not again
        )
        if refusal.kind != "hopeless":
            raise self.run.interrupt(refusal)
        why = f"a repetition was refused ({refusal.detail}), which proves nothing about the first request"
        if is_idempotency_conflict(answer):
            why = "Telnyx says that its key was used for another request"
        raise self._ambiguous(entry, why)

    async def _unanswered(self, entry: Entry, request: EffectRequest, sent_at: int, *, again: bool) -> Interrupted:
        outcome: EffectOutcome = "unknown" if request.left else "withdrawn"
        self.metrics.ended(self.call, outcome, again=again)
        await self.ledger.end(entry, outcome, StoredAnswer(0), sent_at=sent_at, why=request.error)
        await self.run.report(self.call, None)
        return self.run.interrupt(unreachable(request.error))

    async def _keep(self, entry: Entry, outcome: EffectOutcome, answer: TelnyxResponse, sent_at: int) -> str:
        why = "" if outcome == "done" else classify_response(answer, is_send=self.call.is_send).detail
        stored = StoredAnswer(answer.status, answer.headers.get("content-type", ""), answer.body)
        return await self.ledger.end(entry, outcome, stored, sent_at=sent_at, why=why)

    async def _look_up(self, decision: effect_rules.Decision, entry: Entry) -> TelnyxResponse | None:
        """Resolve the effect by a look at Telnyx."""
        if (found := await self._found(entry)) is not None:
            return found
        return await self._perform(
            effect_rules.after_look_up(entry, self.call, self.run.lease.now(), decision.why), entry
        )

    async def _found(self, entry: Entry) -> TelnyxResponse | None:
        """Return the answer that a look at Telnyx finds, which resolves the effect, or None where it finds none."""
        look_up = lookups.look_up_for(self.call)
        found = await look_up(self.call, entry, self._read) if look_up is not None else None
        if found is not None:
            self.metrics.ended(self.call, "found")
            await self._keep(entry, "done", found, entry.last_at)
        return found

    async def _read(self, path: str) -> TelnyxResponse:
        """Read at Telnyx. A read that fails proves nothing, and the handler comes back for it."""
        reading = Call("GET", path.partition("?")[0])
        clear = await self.run.acquire(reading)
        answer = await self.sender.get(self.original, path)
        account = await self.run.report(reading, answer, clear=clear)
        if answer is None:
            raise self.run.interrupt(unreachable("while looking up what became of a request"))
        refusal = account or classify_response(answer, is_send=False)
        if not 200 <= answer.status < 300 and refusal.kind != "hopeless":
            raise self.run.interrupt(refusal)
        return answer

    def _ambiguous(self, entry: Entry, why: str) -> Interrupted:
        self.metrics.ended(self.call, "ambiguous")
        what = f"{entry.method} {entry.path}" + (f" for {entry.recipient}" if entry.recipient else "")
        detail = (
            f"whether {what} took effect is not known: {why}. Look at Telnyx, then say it:"
            f" ringback dead retry {self.run.event_id} --sent, or --not-sent"
        )
        return self.run.interrupt(Refusal("ambiguous", "ambiguous", detail))


def _missing_key(refused: NotAllowed) -> Refusal:
    names = ", ".join(refused.about)
    detail = (
        f"numbers are kept under an encryption key ({names}) that RINGBACK_ENCRYPTION_KEY does not hold:"
        " add it, after a comma"
    )
    return Refusal("later", MISSING_KEY, detail, MISSING_KEY_PAUSE)
