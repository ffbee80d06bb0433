"""Kinds of fields that the files of submissions share, and the refusal of a file."""

import difflib
import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
URL = re.compile(r"https?://[^\s/]+\S*")


class InvalidSubmission(Exception):
    """A submission does not fit. `problems` has a line for each field, which begins with the field's name."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("\n".join(f"{field}: {problem}" for field, problem in problems.items()))
        self.problems = problems


def matching(pattern: re.Pattern[str], wanted: str) -> AfterValidator:
    """Return a validator of texts of this form. `wanted` says what a text must be."""

    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(wanted)
        return text

    return AfterValidator(check)


def one_of(kind: Any) -> AfterValidator:
    """Return a validator of the values of a Literal of the SDK's, in exactly their spelling."""
    values: tuple[str, ...] = get_args(kind)

    def check(text: str) -> str:
        if text in values:
            return text
        plain = {_letters(value): value for value in values}
        near = plain.get(_letters(text)) or next(iter(difflib.get_close_matches(text, values, n=1)), None)
        raise ValueError(f'write "{near}"' if near else f"must be one of {', '.join(values)}")

    return AfterValidator(check)


def readable(text: str) -> str:
    """Accept a text that people can read.

    Raises:
        ValueError: it is blank, or steers a terminal.
    """
    if not text.strip():
        raise ValueError("must not be blank")
    if any(unicodedata.category(each) == "Cc" and each not in "\n\r\t" for each in text):
        raise ValueError("must have no control characters")
    return text


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


Text = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(readable)]
PhoneNumber = Annotated[Text, matching(_E164, "must be a number such as +18005550100")]
Email = Annotated[Text, matching(_EMAIL, "must be an e-mail address")]
Url = Annotated[Text, matching(URL, "must be an address with its scheme, such as https://example.com")]


class SubmissionTable(BaseModel):
    """A table of a file, by Telnyx's names (`businessName`) or the SDK's (`business_name`). No key may be unknown."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True, alias_generator=to_camel
    )

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the SDK's call."""
        return self.model_dump(exclude_none=True)


S = TypeVar("S", bound=SubmissionTable)


def wire_names(table: type[SubmissionTable]) -> Mapping[str, str]:
    """Return Telnyx's name of each field, by the SDK's."""
    return {name: field.alias or name for name, field in table.model_fields.items()}


def read_table(table: type[S], fields: Mapping[str, Any]) -> S:
    """Check the fields of a file.

    Raises:
        InvalidSubmission: a field is missing, unknown or does not fit.
    """
    try:
        return table.model_validate(fields)
    except ValidationError as error:
        raise InvalidSubmission(_problems(error, wire_names(table))) from None


def meant(field: str, names: Mapping[str, str]) -> str:
    """Return a question for the field that a misspelt one may stand for, or nothing."""
    near = difflib.get_close_matches(field, [*names, *names.values()], n=1)
    return f": did you mean {near[0]}?" if near else ""


def _problems(error: ValidationError, names: Mapping[str, str]) -> dict[str, str]:
    """Return each field's first problem, without the given value."""
    problems: dict[str, str] = {}
    for each in error.errors(include_input=False, include_url=False):
        field = names.get(str(each["loc"][0]), str(each["loc"][0])) if each["loc"] else ""
        said = each["msg"].removeprefix("Value error, ")
        if not field:
            field, _, said = said.partition(": ")
        if each["type"] == "extra_forbidden":
            said = f"there is no such field{meant(field, names)}"
        if each["type"] == "missing":
            said = "is required"
        problems.setdefault(field, said)
    return problems
