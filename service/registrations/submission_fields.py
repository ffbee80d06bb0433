"""Kinds of fields that the files of submissions share, and the refusal of a file."""

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, Field

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


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


Text = Annotated[str, Field(min_length=1, max_length=500)]
PhoneNumber = Annotated[Text, matching(_E164, "must be a number such as +18005550100")]
Email = Annotated[Text, matching(_EMAIL, "must be an e-mail address")]
Url = Annotated[Text, matching(URL, "must be an address with its scheme, such as https://example.com")]
