"""One API request as the operations see it, and what they answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from service.testing.simulator.api.api_error import bad_request, from_validation

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class OperationCall:
    """An API request; `path` is without `/v2`, `parameters` are the parts of the path that the operation names."""

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
        """The number that the request would send to."""
        to = self.json.get("to") if isinstance(self.json, dict) else None
        return to if isinstance(to, str) else None

    def read(self, model: type[Model]) -> Model:
        """The body as `model`.

        Raises:
            ApiError: 400, the body is not a JSON object or a field does not fit.
        """
        if not isinstance(self.json, dict):
            raise bad_request("The request body must be a JSON object.")
        try:
            return model.model_validate(self.json)
        except ValidationError as error:
            raise from_validation(error) from None


@dataclass(frozen=True)
class Answer:
    """The answer of an operation; `body` None is an answer without a body."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str | None:
        """The id of the resource that was made or shown, if the answer is about one."""
        data = self.body.get("data", self.body) if isinstance(self.body, dict) else None
        found = data.get("id") if isinstance(data, dict) else None
        return found if isinstance(found, str) else None
