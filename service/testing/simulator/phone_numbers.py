"""The forms of addresses that Telnyx accepts."""

import re

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_SHORT_CODE = re.compile(r"\d{3,8}")
_ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
_USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
_TOLL_FREE = re.compile(r"\+1(800|888|877|866|855|844|833)\d{7}")


def is_e164(address: str) -> bool:
    """Whether `address` is a phone number in +E.164 form."""
    return _E164.fullmatch(address) is not None


def is_whatsapp_user_id(address: str) -> bool:
    """Whether `address` is the id of a WhatsApp user who hides the number. Source: SDK 4.189, `messages.whatsapp`."""
    return _USER_ID.fullmatch(address) is not None


def is_sender(address: str) -> bool:
    """Whether a message can come from `address`: a number, a short code or an alphanumeric sender ID."""
    return is_e164(address) or any(form.fullmatch(address) for form in (_SHORT_CODE, _ALPHANUMERIC))


def is_alphanumeric(address: str) -> bool:
    """Whether `address` is an alphanumeric sender ID, which needs a messaging profile to send."""
    return _ALPHANUMERIC.fullmatch(address) is not None


def is_toll_free(address: str) -> bool:
    """Whether `address` is a toll-free number of the North American plan."""
    return _TOLL_FREE.fullmatch(address) is not None
