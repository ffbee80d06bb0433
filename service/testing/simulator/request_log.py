"""Every API request that reached the simulator, in the order of arrival."""

from dataclasses import dataclass, replace
from typing import Any

from service.testing.simulator.api.call import OperationCall


@dataclass(frozen=True)
class LoggedRequest:
    """One API request and its fate.

    `path` is without `/v2`; `at` is simulated seconds since 1970. `status` is None while the request is being served
    and where the connection was dropped without an answer; `id` is then still that of the resource, if the effect
    took place. `replayed` says that an `Idempotency-Key` was recognised and nothing was done again. `fault` names the
    scripted fault that struck. The Authorization header is not kept.
    """

    at: float
    method: str
    path: str
    query: dict[str, str]
    body: Any
    idempotency_key: str | None
    status: int | None = None
    id: str | None = None
    replayed: bool = False
    fault: str | None = None


class RequestLog:
    """Keeps what arrived, and writes the end of a request over its beginning."""

    def __init__(self) -> None:
        self._requests: list[LoggedRequest] = []

    def begin(self, call: OperationCall, at: float) -> int:
        """Note that `call` has arrived, and return its place in the log."""
        entry = LoggedRequest(at, call.method, call.path, dict(call.query), call.json, call.idempotency_key)
        self._requests.append(entry)
        return len(self._requests) - 1

    def end(self, place: int, **outcome: Any) -> None:
        """Complete the entry at `place` with status, id, replayed and fault."""
        self._requests[place] = replace(self._requests[place], **outcome)

    def matching(self, method: str | None = None, path: str | None = None) -> list[LoggedRequest]:
        """The requests of that method and exact path; None matches all."""
        return [entry for entry in self._requests if method in (None, entry.method) and path in (None, entry.path)]
