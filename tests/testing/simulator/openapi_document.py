"""Telnyx's OpenAPI document, if `TELNYX_OPENAPI` names it, and what a response must look like to agree with it."""

import json
import os
import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

# Read when tests are collected: each test begins with a clean environment.
_PATH = os.environ.get("TELNYX_OPENAPI", "")
ABSENT = not _PATH or not Path(_PATH).is_file()
REASON = "TELNYX_OPENAPI does not name Telnyx's OpenAPI document"

Schema = dict[str, Any]

_DIFFERENCES = (
    # An RCS message is retrieved as such; the document of July 2026 knows SMS and MMS only, the SDK all types.
    (r"GET /messages/[^/]+", r"type: 'RCS' is not one of .*"),
    # `read` is a status of RCS messages in the SDK and in the knowledge base.
    (r"GET /messages/[^/]+", r"to/0/status: 'read' is not one of .*"),
    # `scheduled` and `cancelled` are in document and SDK for the answer to a cancellation only; Telnyx's page on
    # scheduling messages has the message itself with status `scheduled`.
    (
        r"(POST /messages|POST /messages/schedule|GET /messages/[^/]+)",
        r"to/0/status: '(scheduled|cancelled)' is not .*",
    ),
    # A phone without RCS has `features: null`. Source: knowledge base, RCS capabilities and deeplinks.
    (r"(GET|POST) /messaging/rcs/.*capabilities.*", r"(\d+/)?features: null is not of type array"),
)
"""Where SDK, knowledge base and document differ, and the document does not hold: request, and what it would find."""


def load() -> Any:
    """The document."""
    return json.loads(Path(_PATH).read_text(encoding="utf-8"))


class Document:
    """Finds what is wrong with a response."""

    def __init__(self, document: Any) -> None:
        self._document = document

    @property
    def operations(self) -> set[tuple[str, str]]:
        """Method and path of every operation."""
        return {(method.upper(), path) for path, methods in self._document["paths"].items() for method in methods}

    def webhook_findings(self, name: str, body: Any) -> list[str]:
        """What the document has against the body of a webhook."""
        content = self._document["webhooks"][name]["post"]["requestBody"]["content"]
        return list(self._find(content["application/json"]["schema"], body, ""))

    def findings(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """What the document has against the response, apart from the known differences."""
        response = self._response(method, path, status)
        content = response.get("content", {}).get("application/json") if response else None
        if content is None:
            return []
        found = self._find(content["schema"], body, "")
        return [finding for finding in found if not _known(f"{method} {path}", finding)]

    def _response(self, method: str, path: str, status: int) -> Any:
        responses = self._operation(method, path)["responses"]
        return self._resolved(responses.get(str(status)) or responses.get(f"{status // 100}XX") or {})

    def _operation(self, method: str, path: str) -> Any:
        paths = sorted(self._document["paths"], key=lambda template: template.count("{"))
        for template in paths:
            pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path) and method.lower() in self._document["paths"][template]:
                return self._document["paths"][template][method.lower()]
        return {"responses": {}}

    def _resolved(self, schema: Any) -> Any:
        while "$ref" in schema:
            found = self._document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        return schema

    def _find(self, schema: Schema, value: Any, where: str) -> Iterator[str]:
        schema = self._resolved(schema)
        for part in schema.get("allOf", ()):
            yield from self._find(part, value, where)
        yield from self._find_alternatives(schema, value, where)
        yield from _find_type(schema, value, where)
        if "enum" in schema and value is not None and value not in schema["enum"]:
            yield f"{where}: {value!r} is not one of {schema['enum']}"
        if isinstance(value, str):
            yield from _find_text(schema, value, where)
        if isinstance(value, dict):
            yield from self._find_object(schema, value, where)
        if isinstance(value, list):
            yield from self._find_items(schema, value, where)

    def _find_alternatives(self, schema: Schema, value: Any, where: str) -> Iterator[str]:
        alternatives = schema.get("oneOf") or schema.get("anyOf")
        if alternatives:
            found = [list(self._find(part, value, where)) for part in alternatives]
            if all(found):
                yield from min(found, key=len)

    def _find_object(self, schema: Schema, value: dict[str, Any], where: str) -> Iterator[str]:
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{where}: {name} is missing"
        for name, part in schema.get("properties", {}).items():
            if name in value:
                yield from self._find(part, value[name], f"{where}/{name}".lstrip("/"))

    def _find_items(self, schema: Schema, value: list[Any], where: str) -> Iterator[str]:
        if len(value) < schema.get("minItems", 0):
            yield f"{where}: too few items"
        for number, item in enumerate(value):
            yield from self._find(schema.get("items", {}), item, f"{where}/{number}".lstrip("/"))


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


def _known(request: str, finding: str) -> bool:
    # Within `data`, the differences are told from the message or agent on.
    told = finding.removeprefix("data/")
    return any(re.fullmatch(where, request) and re.fullmatch(what, told) for where, what in _DIFFERENCES)


def _find_type(schema: Schema, value: Any, where: str) -> Iterator[str]:
    wanted = schema.get("type", [])
    names = [wanted] if isinstance(wanted, str) else wanted
    fits = any(isinstance(value, _TYPES[name]) and (name == "boolean") == isinstance(value, bool) for name in names)
    if names and not fits:
        yield f"{where}: {json.dumps(value)} is not of type {' or '.join(names)}"


def _find_text(schema: Schema, value: str, where: str) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{where}: the length of {value!r} does not fit"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{where}: {value!r} does not match {schema['pattern']}"
    check = _FORMATS.get(schema.get("format", ""))
    if check is not None and not check(value):
        yield f"{where}: {value!r} is not a {schema['format']}"


def _is_uuid(value: str) -> bool:
    try:
        return str(uuid.UUID(value)) == value
    except ValueError:
        return False


def _is_date_time(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_url(value: str) -> bool:
    return re.match(r"https?://", value) is not None


_FORMATS = {"uuid": _is_uuid, "date-time": _is_date_time, "url": _is_url, "uri": _is_url}

DOCUMENT = None if ABSENT else Document(load())
