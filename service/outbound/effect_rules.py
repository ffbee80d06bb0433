"""The rules of an effect: the next step by its entry in the ledger, and the outcome by an answer.

Pure: the entry, the call and the time are arguments. The states of an effect are drawn in docs/architecture.md.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Literal

from telnyx import APIError, APIStatusError

from service.events.phone_number import canonical_number
from service.outbound.api_call import Call
from service.outbound.errors import (
    STOP,
    TelnyxResponse,
    classify_response,
    codes,
    is_idempotency_conflict,
    is_object,
    is_page,
    is_rate_limit,
)
from service.outbound.lookups import look_up_for
from service.outbound.phone_numbers import country_of, spellings_of
from service.security.masking import is_user_id
from service.store.effects.ledger import EffectOutcome, Entry
from service.store.facts.message_states import InsteadOf, NotAllowed, SendConditions

KEY_IS_HONOURED = 23 * 3600 * 1000
"""Milliseconds after the first send for which a repetition is safe. Source: Telnyx's page on idempotency, 24 h."""
MAY_BE_REPEATED = 5 * 60 * 1000
"""Milliseconds after the first send for which what may be done twice is done again."""
SHOWS_AT_TELNYX = 60 * 1000
"""Milliseconds after which what a request created can be expected to be found."""

Result = EffectOutcome | Literal["stored", "found", "ambiguous", "would", "not_sent"]
"""The ledger's outcome of a request (`done`, `refused`, `withdrawn`, `deferred`, `unknown`), or how a call ended.

Without a request it was answered from the ledger (`stored`) or by a look at Telnyx (`found`). Or it is for a person to
resolve (`ambiguous`), was only recorded (`would`), or was forbidden at its intent (`not_sent`).
"""
Step = Literal["return", "send", "send_again", "look_up", "wait", "give_up"]
Resend = Literal["same-key", "never"]


@dataclass(frozen=True, slots=True)
class Decision:
    """The next step, and why: `wait` is seconds until the created object can be looked up."""

    step: Step
    why: str = ""
    wait: float = 0.0


def decide(entry: Entry | None, call: Call, now: int, *, resend: Resend) -> Decision:
    """Return the next step for a call at `now` (milliseconds), by its effect's entry."""
    if entry is None or entry.state in ("withdrawn", "forgotten", "would"):
        return Decision("send")
    if entry.state in ("done", "resolved"):
        return Decision("return")
    if entry.state == "refused":
        stopped = entry.answer is not None and STOP in codes(entry.answer.body)
        return Decision("return" if stopped else "send")
    return _of_one_under_way(entry, call, now, resend=resend)


def _of_one_under_way(entry: Entry, call: Call, now: int, *, resend: Resend) -> Decision:
    if entry.caller_key and (entry.method, entry.path) != (call.method, call.shown_path):
        return Decision("give_up", "its key is that of another operation, which is under way")
    if entry.unconfirmed == 0:
        return Decision("send" if entry.body is None else "send_again")
    if call.keyed:
        return _of_a_keyed_one(entry, now, resend)
    return _of_another(entry, call, now)


def _of_a_keyed_one(entry: Entry, now: int, resend: Resend) -> Decision:
    if resend == "never":
        return Decision("give_up", "RINGBACK_RESEND is never")
    if entry.status == 422:
        return Decision("give_up", "Telnyx says that its key was used for another request")
    if now - entry.first_at > KEY_IS_HONOURED:
        return Decision("give_up", "it was first sent more than 23 hours ago, and Telnyx forgets keys after 24")
    if entry.body is None:
        return Decision("give_up", "its bytes were too many to keep")
    return Decision("send_again")


def _of_another(entry: Entry, call: Call, now: int) -> Decision:
    recent = now - entry.first_at <= MAY_BE_REPEATED and entry.body is not None
    if call.repeatable and recent:
        return Decision("send_again")
    if call.replaces_toll_free_request or call.repeatable:
        return Decision("look_up", "what is found there is not what was sent")
    if look_up_for(call) is None:
        return Decision("give_up", "there is nothing at Telnyx to tell it by")
    wait = entry.last_at + SHOWS_AT_TELNYX - now
    if wait > 0:
        return Decision("wait", wait=wait / 1000)
    return Decision("look_up", "it was not found at Telnyx, which proves nothing")


def after_look_up(entry: Entry, call: Call, now: int, why: str) -> Decision:
    """Return the next step after an empty look-up: a differing toll-free request may be sent again for a while."""
    recent = now - entry.first_at <= MAY_BE_REPEATED and entry.body is not None
    if call.replaces_toll_free_request and recent:
        return Decision("send_again")
    return Decision("give_up", why)


def outcome_of(call: Call, answer: TelnyxResponse, *, again: bool) -> EffectOutcome:
    """Return the outcome of a request by its answer."""
    if 200 <= answer.status < 300 or (again and call.method == "DELETE" and answer.status == 404):
        # A success that no SDK can read would fail the handler at each attempt. Under its key Telnyx answers again.
        unreadable = not is_object(answer) if call.keyed else is_page(answer)
        return "unknown" if unreadable else "done"
    if is_rate_limit(answer):
        return "deferred"
    refusal = classify_response(answer, is_send=call.is_send, conflict_is_final=call.answers_conflict and not again)
    if refusal.kind == "account" or (answer.status == 409 and not call.keyed):
        return "withdrawn"
    if refusal.kind == "hopeless":
        return "unknown" if call.keyed and is_idempotency_conflict(answer) else "refused"
    return "unknown"


OPTED_OUT = "opted_out"
_HEADER = "x-ringback-not-sent"
_current: ContextVar[InsteadOf | None] = ContextVar("instead_of", default=None)
_reply: ContextVar["_Reply | None"] = ContextVar("reply", default=None)


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer: its budget, and the names of the person who is answered."""

    per_hour: int
    to: tuple[str, ...]


@contextmanager
def instead_of(message: InsteadOf) -> Iterator[None]:
    """Send in the place of a message: sends within the block depend on the state of that message."""
    token = _current.set(message)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def as_reply(*, replies_per_hour: int, to: tuple[str, ...]) -> Iterator[None]:
    """Send an answer: sends within the block count against the budget of replies.

    `to` are all names of the writer. A STOP may come under another name than the answer's recipient has.
    """
    token = _reply.set(_Reply(replies_per_hour, to))
    try:
        yield
    finally:
        _reply.reset(token)


def conditions_of(call: Call) -> SendConditions | None:
    """Return the conditions for the intent of a call. None: it sends nothing to a number or a WhatsApp user."""
    if call.recipient is None:
        return None
    known = tuple(dict.fromkeys(name for each in call.recipient.split(",") for name in _names(each)))
    reply = _reply.get()
    if reply is not None:
        # The writer chose where it goes. That opens no country for other writers.
        return SendConditions(tuple(dict.fromkeys((*known, *reply.to))), replies_per_hour=reply.per_hour)
    countries = (country_of(name) for name in known)
    regions = tuple(dict.fromkeys(each for each in countries if each is not None))
    return SendConditions(known, _current.get(), regions=regions) if known else None


def _names(recipient: str) -> tuple[str, ...]:
    """Return the names under which a recipient may have said STOP: spellings of a number, or a user's id."""
    number = canonical_number(recipient)
    if number is not None:
        return spellings_of(number)
    return (recipient,) if is_user_id(recipient) else ()


def to_carrier(call: Call) -> Call:
    """Return a send with the recipient's carrier, where the message in whose place it goes names it."""
    message = _current.get()
    return replace(call, carrier=message.carrier) if message is not None and call.is_send else call


def answer_not_sent(refused: NotAllowed) -> TelnyxResponse:
    """Return what a handler is answered: for a STOP what Telnyx itself would answer, which handlers know."""
    code = STOP if refused.reason == OPTED_OUT else refused.reason
    error = {"code": code, "title": "Not sent", "detail": f"Ringback did not send it: {refused.reason}"}
    headers = {"content-type": "application/json", _HEADER: refused.reason}
    return TelnyxResponse(403, headers, json.dumps({"errors": [error]}).encode())


def not_sent_reason(error: APIError) -> str | None:
    """Return why Ringback itself did not send, or None where Telnyx refused."""
    return error.response.headers.get(_HEADER) if isinstance(error, APIStatusError) else None
