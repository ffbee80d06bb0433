"""Senders of a messaging profile: `GET /messaging_profiles/{id}/phone_numbers` and `…/short_codes`."""

from typing import TYPE_CHECKING

import phonenumbers

from service.testing.simulator.api.api_error import not_found
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.pages import page
from service.testing.simulator.phone_numbers import is_e164

if TYPE_CHECKING:
    from service.testing.simulator.account import Account


def list_phone_numbers(account: "Account", call: OperationCall) -> Answer:
    """List the numbers of a profile, with their countries. Source: SDK 4.189, `PhoneNumberWithMessagingSettings`.

    Raises:
        ApiError: 404, there is no such profile; 400, a page is out of range.
    """
    profile_id = _profile_id(account, call)
    numbers = [number for number in account.profiles.numbers_of(profile_id) if is_e164(number)]
    rows = [
        {
            "record_type": "messaging_settings",
            "id": number,
            "phone_number": number,
            "country_code": _country(number),
            "messaging_profile_id": profile_id,
            "messaging_product": "P2P",
        }
        for number in numbers
    ]
    return page(call, rows)


def list_short_codes(account: "Account", call: OperationCall) -> Answer:
    """List the short codes of a profile. Source: SDK 4.189, `ShortCode`.

    Raises:
        ApiError: 404, there is no such profile; 400, a page is out of range.
    """
    profile_id = _profile_id(account, call)
    codes = [number for number in account.profiles.numbers_of(profile_id) if not is_e164(number)]
    rows = [
        {
            "record_type": "short_code",
            "id": code,
            "short_code": code,
            "country_code": "US",
            "messaging_profile_id": profile_id,
        }
        for code in codes
    ]
    return page(call, rows)


def _profile_id(account: "Account", call: OperationCall) -> str:
    profile = account.profiles.find(call.parameters["id"])
    if profile is None:
        raise not_found()
    return profile.id


def _country(number: str) -> str | None:
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return None
