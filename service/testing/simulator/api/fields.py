"""Kinds of fields that several requests share, and the forms of addresses that Telnyx accepts."""

import re
from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from service.testing.simulator.simulated_clock import is_iso

_LONGEST_URL = 2000
"""Source: Telnyx's page on API error codes, 10003."""
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_SHORT_CODE = re.compile(r"\d{3,8}")
_ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
_USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
_TOLL_FREE = re.compile(r"\+1(800|888|877|866|855|844|833)\d{7}")


class RequestBody(BaseModel):
    """A JSON body: types must fit exactly, unknown fields are ignored, error texts hold no values."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


class ControlBody(BaseModel):
    """Something that a test scripts: an unknown field is an error, so that no typo is taken for a script."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def is_e164(address: str) -> bool:
    """Return whether `address` is a phone number in +E.164 form."""
    return _E164.fullmatch(address) is not None


def is_whatsapp_user_id(address: str) -> bool:
    """Return whether `address` is a WhatsApp user's id. Source: SDK 4.189, `messages.whatsapp`."""
    return _USER_ID.fullmatch(address) is not None


def is_sender(address: str) -> bool:
    """Return whether a message can come from `address`: a number, a short code or an alphanumeric sender ID."""
    return is_e164(address) or any(form.fullmatch(address) for form in (_SHORT_CODE, _ALPHANUMERIC))


def is_alphanumeric(address: str) -> bool:
    """Return whether `address` is an alphanumeric sender ID, which needs a messaging profile to send."""
    return _ALPHANUMERIC.fullmatch(address) is not None


def is_toll_free(address: str) -> bool:
    """Return whether `address` is a toll-free number of the North American plan."""
    return _TOLL_FREE.fullmatch(address) is not None


def is_web_address(url: str) -> bool:
    """Return whether `url` is one that webhooks and media can have."""
    return url.startswith(("http://", "https://")) and len(url) <= _LONGEST_URL


def must(fits: Callable[[str], bool], problem: str) -> AfterValidator:
    """Return a validator of texts that `fits` accepts. `problem` says what a text must be."""

    def check(text: str | None) -> str | None:
        if text is not None and not fits(text):
            raise ValueError(problem)
        return text

    return AfterValidator(check)


def one_of(values: Sequence[str]) -> AfterValidator:
    """Return a validator of these values."""
    return must(values.__contains__, f"must be one of {', '.join(values)}")


WebAddress = Annotated[str, must(is_web_address, f"must be an http or https URL of at most {_LONGEST_URL} characters")]
PhoneNumber = Annotated[str, must(is_e164, "must be a phone number in +E.164 format")]
Date = Annotated[str, must(is_iso, "must be an ISO 8601 date")]
