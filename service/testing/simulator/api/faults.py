"""Faults on demand: what goes wrong with the next requests, at random or exactly."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.testing.simulator.api.api_error import ApiError, refusal
from service.testing.simulator.api.call import OperationCall

FaultKind = Literal["status", "reset", "slow", "slow_body", "garbled"]

_ERRORS = {
    401: ("10009", "Authentication failed", "The required authentication headers were either invalid or not included."),
    403: ("10010", "Authorization failed", "You do not have permission to perform the requested action."),
    429: ("10011", "Too many requests", "You have exceeded the maximum number of allowed requests."),
}
_UNEXPECTED = ("10007", "Unexpected error", "An unexpected error occured.")


HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
HeaderValue = Annotated[str, Field(pattern=r"^[ -~]*$")]


class Fault(BaseModel):
    """One scripted fault.

    `status` answers with that status and error; `reset` drops the connection without an answer; `slow` waits
    `seconds`; `slow_body` answers at once and then takes `seconds` over the body; `garbled` answers with text that is
    no JSON. `when` says whether that happens before the effect (which `status` and `reset` then prevent) or after it,
    so that the work is done and its answer lost. It strikes the next `times` requests (null: all) that match
    `method`, `path` (a pattern with `*`, without `/v2`) and `recipient`, each with the probability `rate`, which is
    drawn from the seed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FaultKind = "status"
    when: Literal["before", "after"] = "before"
    method: str | None = None
    path: str = "*"
    recipient: str | None = None
    times: int | None = Field(1, ge=1)
    rate: float = Field(1.0, ge=0, le=1)
    status: int = Field(500, ge=400, le=599)
    code: str | None = None
    title: str | None = None
    detail: str | None = None
    headers: Mapping[HeaderName, HeaderValue] = Field(default_factory=dict)
    seconds: float = Field(0.0, ge=0, le=86400)

    def matches(self, call: OperationCall) -> bool:
        """Whether `call` is of the kind that this fault strikes."""
        return (
            self.method in (None, call.method)
            and self.recipient in (None, call.recipient)
            and fnmatchcase(call.path, self.path)
        )

    def error(self) -> ApiError:
        """The error that a fault of kind `status` answers with."""
        code, title, detail = _ERRORS.get(self.status, _UNEXPECTED)
        error = refusal(self.status, self.code or code, self.title or title, self.detail or detail)
        return ApiError(error.status, error.problems, self.headers)
