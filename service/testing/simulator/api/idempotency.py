"""`Idempotency-Key`: a message send that is repeated under its key is answered from memory.

Source: OpenAPI `components.parameters.IdempotencyKey` and Telnyx's page on idempotency. A key has 1 to 255 letters,
digits, `-`, `_` or `:`. With method and path it stands for one request of the organization. Only successes are
replayed, for 24 hours. The same key with other bytes or another query is refused with 422. A key whose first request
still runs gets 409, a malformed one 400. The code and title of the 409 and the 422 are not published.
"""

import hashlib
import re
from dataclasses import dataclass

import orjson

from service.testing.simulator.api.api_error import bad_request, refusal
from service.testing.simulator.api.call import Answer, OperationCall

REMEMBERED_FOR = 24 * 3600
"""Simulated seconds for which a success is replayed."""

REPLAYED_HEADER = "idempotent-replayed"

_KEY = re.compile(r"[A-Za-z0-9_:-]{1,255}")

Scope = tuple[str, str, str]


@dataclass(frozen=True)
class _Record:
    fingerprint: str
    since: float
    answer: Answer | None


class IdempotencyKeys:
    """The memory of requests with a key."""

    def __init__(self) -> None:
        self._records: dict[Scope, _Record] = {}

    def claim(self, call: OperationCall, now: float, *, reused: int = 422) -> Answer | None:
        """Return the stored answer if `call` repeats a success. Else the caller performs, then fulfils or forgets.

        Raises:
            ApiError: 400 for a malformed key, 409 while the first request runs, `reused` if this is another request.
        """
        scope, fingerprint = _scope(call), _fingerprint(call)
        record = self._live(scope, now)
        if record is None:
            self._records[scope] = _Record(fingerprint, now, None)
            return None
        return _recall(record, fingerprint, reused)

    def fulfil(self, call: OperationCall, answer: Answer, now: float) -> None:
        """Remember the success of `call`."""
        self._records[_scope(call)] = _Record(_fingerprint(call), now, answer)

    def forget(self, call: OperationCall) -> None:
        """Drop the claim of a request that failed, so that the key is free again."""
        self._records.pop(_scope(call), None)

    def _live(self, scope: Scope, now: float) -> _Record | None:
        record = self._records.get(scope)
        if record is None or (record.answer is not None and now - record.since >= REMEMBERED_FOR):
            return None
        return record


def _recall(record: _Record, fingerprint: str, reused: int) -> Answer:
    if record.fingerprint != fingerprint:
        detail = "The Idempotency-Key was already used with a different request."
        raise refusal(reused, "10015", "Idempotency key reused", detail)
    if record.answer is None:
        detail = "A request with this Idempotency-Key is still in progress."
        raise refusal(409, "10015", "Idempotency key in use", detail)
    return Answer(record.answer.body, record.answer.status, {**record.answer.headers, REPLAYED_HEADER: "true"})


def _scope(call: OperationCall) -> Scope:
    key = call.idempotency_key or ""
    if not _KEY.fullmatch(key):
        raise bad_request("The Idempotency-Key must be 1 to 255 letters, digits, hyphens, underscores or colons.")
    return call.method, call.path, key


def _fingerprint(call: OperationCall) -> str:
    query = orjson.dumps(sorted(call.query.items()))
    return hashlib.sha256(query + b"\n" + call.content).hexdigest()
