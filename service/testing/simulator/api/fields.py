"""Kinds of fields that several requests share."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from service.testing.simulator.phone_numbers import is_e164

_LONGEST_URL = 2000
"""Source: Telnyx's page on API error codes, 10003."""


class RequestBody(BaseModel):
    """A JSON body: types must fit exactly, fields that are not named are ignored, values stay out of error texts."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


def is_web_address(url: str) -> bool:
    """Whether `url` is one that webhooks and media can have."""
    return url.startswith(("http://", "https://")) and len(url) <= _LONGEST_URL


def _web_address(url: str) -> str:
    if not is_web_address(url):
        raise ValueError("must be an http or https URL of at most 2000 characters")
    return url


def _phone_number(number: str) -> str:
    if not is_e164(number):
        raise ValueError("must be a phone number in +E.164 format")
    return number


WebAddress = Annotated[str, AfterValidator(_web_address)]
PhoneNumber = Annotated[str, AfterValidator(_phone_number)]
