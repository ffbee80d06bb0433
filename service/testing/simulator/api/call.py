"""One API request as the operations see it, their answers, and the log of all requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.parser import BytesParser
from email.policy import HTTP
from functools import cached_property
from itertools import count
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from service.testing.simulator.api.api_error import bad_request, from_validation, refusal

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class OperationCall:
    """An API request. `path` is without `/v2`, `parameters` are the parts of the path that the operation names."""

    method: str
    path: str
    content: bytes = b""
    content_type: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None

    @cached_property
    def json(self) -> Any:
        """The body parsed as JSON, or None where it is empty or something else."""
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError:
            return None

    @property
    def recipient(self) -> str | None:
        """Return the number that the request would send to."""
        to = self.json.get("to") if isinstance(self.json, dict) else None
        return to if isinstance(to, str) else None

    def read(self, model: type[Model]) -> Model:
        """Return the body as `model`.

        Raises:
            ApiError: 400, the body is not a JSON object or a field does not fit.
        """
        if not isinstance(self.json, dict):
            raise bad_request("The request body must be a JSON object.")
        try:
            return model.model_validate(self.json)
        except ValidationError as error:
            raise from_validation(error) from None

    def read_as(self, shape: TypeAdapter[Any], **others: str) -> dict[str, Any]:
        """Return the body, checked with `others` by a shape of the SDK's. Outer fields that it lacks are left out.

        Raises:
            ApiError: 400, the body is not a JSON object or a field does not fit.
        """
        if not isinstance(self.json, dict):
            raise bad_request("The request body must be a JSON object.")
        try:
            found = shape.validate_json(orjson.dumps(self.json | others), strict=True)
            # A list is only read, and so checked, when it is written.
            shape.dump_python(found, mode="json")
        except ValidationError as error:
            raise from_validation(error) from None
        return {name: self.json[name] for name in found if name in self.json}


@dataclass(frozen=True)
class Answer:
    """The answer of an operation. `body` None is an answer without a body."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str | None:
        """The id of the resource that the answer is about, if any."""
        data = self.body.get("data", self.body) if isinstance(self.body, dict) else None
        found = data.get("id") if isinstance(data, dict) else None
        return found if isinstance(found, str) else None


def uploaded_files(call: OperationCall) -> dict[str, bytes]:
    """Return the content of each part, by the name of its field.

    Raises:
        ApiError: 400, the request is not multipart/form-data.
    """
    if not call.content_type.startswith("multipart/form-data"):
        raise refusal(400, "10014", "Unsupported Media Type", "The files must be sent as multipart/form-data.")
    header = f"Content-Type: {call.content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(header + call.content)
    found = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            found[name] = content
    return found


@dataclass(frozen=True)
class LoggedRequest:
    """One API request and its answer.

    `path` is without `/v2`. `at` is simulated seconds since 1970. `status` is None while the request is being served
    and where the connection was dropped. `id` is then still that of the resource, if the effect took place.
    `replayed` is true where the answer was remembered under an `Idempotency-Key`. `fault` is the kind of the scripted
    fault that struck. The Authorization header is not kept.
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
    """The log of requests, of the last `most` where that is set. The end of a request replaces its beginning."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._requests: dict[int, LoggedRequest] = {}
        self._places = count()

    def begin(self, call: OperationCall, at: float) -> int:
        """Note that `call` has arrived, and return its place in the log."""
        place = next(self._places)
        self._requests[place] = LoggedRequest(
            at, call.method, call.path, dict(call.query), call.json, call.idempotency_key
        )
        if self._most is not None and len(self._requests) > self._most:
            del self._requests[next(iter(self._requests))]
        return place

    def end(self, place: int, **outcome: Any) -> None:
        """Complete the entry at `place` with status, id, replayed and fault."""
        if place in self._requests:
            self._requests[place] = replace(self._requests[place], **outcome)

    def matching(self, method: str | None = None, path: str | None = None) -> list[LoggedRequest]:
        """Return the requests of that method and exact path. None matches all."""
        # A copy: tests read in their own thread while the server's adds to the log.
        known = list(self._requests.values())
        return [entry for entry in known if method in (None, entry.method) and path in (None, entry.path)]
