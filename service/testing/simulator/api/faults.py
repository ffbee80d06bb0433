"""Faults on demand: what goes wrong with the next requests and webhooks, at random or exactly."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field

from service.testing.simulator.api.api_error import ApiError, refusal
from service.testing.simulator.api.call import OperationCall
from service.testing.simulator.api.fields import ControlBody
from service.testing.simulator.identifiers import Identifiers

FaultKind = Literal["status", "reset", "slow", "slow_body", "garbled"]
WebhookFaultKind = Literal["duplicate", "late", "reordered", "lost", "failed", "answered"]

_ERRORS = {
    401: ("10009", "Authentication failed", "The required authentication headers were either invalid or not included."),
    403: ("10010", "Authorization failed", "You do not have permission to perform the requested action."),
    429: ("10011", "Too many requests", "You have exceeded the maximum number of allowed requests."),
}
_UNEXPECTED = ("10007", "Unexpected error", "An unexpected error occured.")

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
HeaderValue = Annotated[str, Field(pattern=r"^[ -~]*$")]


class _Limited(ControlBody):
    times: int | None = Field(1, ge=1)
    rate: float = Field(1.0, ge=0, le=1)


class Fault(_Limited):
    """One scripted fault.

    `status` answers with that status and error. `reset` drops the connection without an answer. `slow` waits
    `seconds`. `slow_body` answers at once and then takes `seconds` over the body. `garbled` answers with text that is
    no JSON. With `when="before"` the fault comes before the effect, which `status` and `reset` then prevent. With
    `after` the work is done and its answer lost. It strikes the next `times` (null: all) matching requests. `path` is a
    pattern with `*`, without `/v2`. The seed decides each strike by its probability `rate`.
    """

    kind: FaultKind = "status"
    when: Literal["before", "after"] = "before"
    method: str | None = None
    path: str = "*"
    recipient: str | None = None
    status: int = Field(500, ge=400, le=599)
    code: str | None = None
    title: str | None = None
    detail: str | None = None
    headers: Mapping[HeaderName, HeaderValue] = Field(default_factory=dict)
    seconds: float = Field(0.0, ge=0, le=86400)

    def matches(self, call: OperationCall) -> bool:
        """Return whether this fault can strike `call`."""
        wanted = self.method in (None, call.method) and self.recipient in (None, call.recipient)
        return wanted and fnmatchcase(call.path, self.path)

    def error(self) -> ApiError:
        """Return the error that a fault of kind `status` answers with."""
        code, title, detail = _ERRORS.get(self.status, _UNEXPECTED)
        error = refusal(self.status, self.code or code, self.title or title, self.detail or detail)
        return ApiError(error.status, error.problems, self.headers)


class WebhookFault(_Limited):
    """One scripted fault of webhooks.

    `duplicate` delivers the event once more. `late` delivers it after `seconds` of simulated time. `reordered` delivers
    it after another event. `lost` never delivers it and keeps no record. `failed` records attempts without an answer,
    and `answered` a 200. Both deliver nothing. It strikes the next `times` (null: all) matching
    events, each with the probability `rate`. `event_type` is a pattern with `*`.
    """

    kind: WebhookFaultKind
    event_type: str = "*"
    seconds: float = Field(0.0, ge=0)

    def matches(self, event_type: str) -> bool:
        """Return whether this fault can strike events of that type."""
        return fnmatchcase(event_type, self.event_type)


Item = TypeVar("Item", bound=_Limited)


@dataclass
class _Entry(Generic[Item]):
    item: Item
    left: int | None


class ScriptedAnswers(Generic[Item]):
    """The faults still to strike, in the order of their scripting.

    Each `kind` of item has its own sequence of chances, so that webhooks do not change the chances of requests.
    """

    def __init__(self, identifiers: Identifiers, kind: str) -> None:
        self._identifiers = identifiers
        self._kind = kind
        self._entries: list[_Entry[Item]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, item: Item) -> None:
        """Let `item` strike from now on."""
        self._entries.append(_Entry(item, item.times))

    def clear(self) -> None:
        """Drop every fault that is still to come."""
        self._entries.clear()

    def take(self, matches: Callable[[Item], bool]) -> Item | None:
        """Return the first item that matches and strikes, or None. It then strikes one time fewer."""
        for entry in self._entries:
            if matches(entry.item) and self._identifiers.chance(self._kind, entry.item.rate):
                if entry.left is not None:
                    entry.left -= 1
                self._entries = [each for each in self._entries if each.left != 0]
                return entry.item
        return None
