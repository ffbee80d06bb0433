"""The conditions of a send, asked when its intent is written, and how its handler learns that it was not sent."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from telnyx import APIError, APIStatusError

from service.events.phone_number import canonical_number
from service.outbound.api_call import Call
from service.outbound.errors import STOP, TelnyxResponse
from service.outbound.phone_numbers import country_of
from service.store.effects.send_conditions import InsteadOf, NotAllowed, SendConditions

OPTED_OUT = "opted_out"
_HEADER = "x-ringback-not-sent"
_current: ContextVar[InsteadOf | None] = ContextVar("instead_of", default=None)
_replies_per_hour: ContextVar[int | None] = ContextVar("replies_per_hour", default=None)


@contextmanager
def instead_of(message: InsteadOf) -> Iterator[None]:
    """Send in the place of a message: sends within the block depend on the state of that message."""
    token = _current.set(message)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def as_reply(*, replies_per_hour: int) -> Iterator[None]:
    """Send an answer to a stranger: sends within the block count against the budget of replies."""
    token = _replies_per_hour.set(replies_per_hour)
    try:
        yield
    finally:
        _replies_per_hour.reset(token)


def conditions_of(call: Call) -> SendConditions | None:
    """Return what must hold when the intent of a call is written; None where it sends nothing to a number."""
    if not call.is_send or call.recipient is None:
        return None
    names = (canonical_number(each) for each in call.recipient.split(","))
    known = tuple(name for name in names if name is not None)
    budget = _replies_per_hour.get()
    if budget is not None:
        # A stranger chose where it goes: that opens no country for other strangers.
        return SendConditions(known, replies_per_hour=budget)
    countries = (country_of(name) for name in known)
    regions = tuple(dict.fromkeys(each for each in countries if each is not None))
    return SendConditions(known, _current.get(), regions=regions) if known else None


def answer_not_sent(refused: NotAllowed) -> TelnyxResponse:
    """Return what a handler is answered: for a STOP what Telnyx itself would answer, which handlers know."""
    code = STOP if refused.reason == OPTED_OUT else refused.reason
    error = {"code": code, "title": "Not sent", "detail": f"Ringback did not send it: {refused.reason}"}
    headers = {"content-type": "application/json", _HEADER: refused.reason}
    return TelnyxResponse(403, headers, json.dumps({"errors": [error]}).encode())


def not_sent_reason(error: APIError) -> str | None:
    """Return why Ringback itself did not send; None where Telnyx refused."""
    return error.response.headers.get(_HEADER) if isinstance(error, APIStatusError) else None
