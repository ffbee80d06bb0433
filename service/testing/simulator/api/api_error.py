"""Errors in the shape that Telnyx answers them: `{"errors": [{"code", "title", "detail", "source"}]}`.

Source: OpenAPI `messaging_Errors`. The general codes come from Telnyx's page on API error codes. Those from 40001
on come from its page on messaging error codes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of `errors`. `pointer` is a JSON pointer into the request's body."""

    code: str
    title: str
    detail: str
    pointer: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the entry as Telnyx writes it."""
        source = {} if self.pointer is None else {"source": {"pointer": self.pointer}}
        return {"code": self.code, "title": self.title, "detail": self.detail} | source


class ApiError(Exception):
    """The request is refused with `status` and nothing has changed."""

    def __init__(self, status: int, problems: Sequence[Problem], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {' '.join(problem.code for problem in problems)}")
        self.status = status
        self.problems = problems
        self.headers = headers or {}

    def as_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        return {"errors": [problem.as_json() for problem in self.problems]}


def refusal(status: int, code: str, title: str, detail: str, pointer: str | None = None) -> ApiError:
    """Return an error with a single entry."""
    return ApiError(status, [Problem(code, title, detail, pointer)])


def bad_request(detail: str, pointer: str | None = None) -> ApiError:
    """Return 400 with code 10015, Telnyx's general one for a request that is not well-formed."""
    return refusal(400, "10015", "Bad Request", detail, pointer)


def missing_parameter(pointer: str) -> ApiError:
    """Return 400 with code 10004: a required field is missing."""
    return ApiError(400, [_missing(pointer)])


def missing_header(name: str) -> ApiError:
    """Return 400 with code 10004: a required header is missing."""
    return refusal(400, "10004", "Missing required parameter", f"The header {name} is required.")


def not_found(detail: str = "The requested resource or URL could not be found.") -> ApiError:
    """Return 404 with code 10005."""
    return refusal(404, "10005", "Resource not found", detail)


def unauthenticated() -> ApiError:
    """Return 401 with code 10009."""
    detail = "The required authentication headers were either invalid or not included in the request."
    return refusal(401, "10009", "Authentication failed", detail)


def from_validation(error: ValidationError) -> ApiError:
    """Return 400 with one entry for each invalid field. Values may be private and are not repeated."""
    return ApiError(400, [_problem(entry["type"], entry["loc"], entry["msg"]) for entry in error.errors()])


def _problem(kind: str, location: Sequence[int | str], message: str) -> Problem:
    pointer = "".join(f"/{part}" for part in location)
    if kind == "missing":
        return _missing(pointer)
    return Problem("10015", "Bad Request", f"{message}.", pointer)


def _missing(pointer: str) -> Problem:
    return Problem("10004", "Missing required parameter", "A required parameter was missing.", pointer)
