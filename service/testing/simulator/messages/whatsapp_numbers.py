"""WhatsApp numbers of the account. One is known from the first WhatsApp message that it sends or gets."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from service.testing.simulator.api.api_error import bad_request
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import RequestBody
from service.testing.simulator.api.lists import page
from service.testing.simulator.resources import Resources, existing
from service.testing.simulator.simulated_clock import iso

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

CODE = "123456"
"""The code that verifies every number. It is ours."""
WABA_ID = "100000000000001"


@dataclass(frozen=True, slots=True)
class WhatsappNumber:
    """One number, and its profile as people see it. A deleted one stays deleted."""

    phone_number: str
    id: str
    created_at: float
    updated_at: float
    status: Literal["CONNECTED", "PENDING"] = "CONNECTED"
    calling_enabled: bool = False
    deleted: bool = False
    profile: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as GET shows it. Source: SDK 4.189, `PhoneNumberListResponse`."""
        return {
            "record_type": "whatsapp_phone_number",
            "phone_number": self.phone_number,
            "phone_number_id": self.id,
            "waba_id": WABA_ID,
            "display_name": self.profile.get("display_name", "Acme"),
            "status": self.status,
            "enabled": True,
            "calling_enabled": self.calling_enabled,
            "quality_rating": "GREEN",
            "created_at": iso(self.created_at),
        }

    def profile_json(self) -> dict[str, Any]:
        """Return its profile. Source: SDK 4.189, `WhatsappProfileData`."""
        times = {"created_at": iso(self.created_at), "updated_at": iso(self.updated_at)}
        named = {"record_type": "whatsapp_profile", "id": self.id, "phone_number_id": self.id}
        return {"display_name": "Acme", **self.profile, **named, **times}

    def calling_json(self) -> dict[str, Any]:
        """Return its settings for calls. Source: SDK 4.189, `WhatsappCallingSettingsData`."""
        named = {"record_type": "whatsapp_calling_settings", "phone_number": self.phone_number}
        return {**named, "enabled": self.calling_enabled, "updated_at": iso(self.updated_at)}


class _Profile(RequestBody):
    """The fields that PATCH changes. Source: SDK 4.189, `ProfileUpdateParams`."""

    about: str | None = None
    address: str | None = None
    category: str | None = None
    description: str | None = None
    display_name: str | None = None
    email: str | None = None
    profile_id: str | None = None
    website: str | None = None


class _VerificationCode(RequestBody):
    code: str


class _Way(RequestBody):
    verification_method: Literal["sms", "voice"] = "sms"


class _Calling(RequestBody):
    enabled: bool


def new_numbers() -> Resources[WhatsappNumber]:
    """Return an empty store of numbers."""
    return Resources(lambda number: number.phone_number)


def list_numbers(account: "Account", call: OperationCall) -> Answer:
    """List the numbers that have not been deleted."""
    found = [_number(account, each) for each in dict.fromkeys(_used(account))]
    return page(call, (each.as_json() for each in found if not each.deleted))


def retrieve_number(account: "Account", call: OperationCall) -> Answer:
    """Show one number."""
    return Answer({"data": _known(account, call).as_json()})


def delete_number(account: "Account", call: OperationCall) -> Answer:
    """Take a number from the account."""
    _change(account, _known(account, call), deleted=True)
    return Answer(None, 204)


def verify_number(account: "Account", call: OperationCall) -> Answer:
    """Take the code of a number."""
    number = _known(account, call)
    if call.read(_VerificationCode).code != CODE:
        raise bad_request("This is not the code.", "/code")
    _change(account, number, status="CONNECTED")
    return Answer(None)


def resend_code(account: "Account", call: OperationCall) -> Answer:
    """Send the code of a number once more: nothing is sent here."""
    _known(account, call)
    if call.content:
        call.read(_Way)
    return Answer(None)


def retrieve_profile(account: "Account", call: OperationCall) -> Answer:
    """Show the profile of a number."""
    return Answer({"data": _known(account, call).profile_json()})


def update_profile(account: "Account", call: OperationCall) -> Answer:
    """Change the fields of a profile that are given."""
    number, given = _known(account, call), call.read(_Profile)
    changed = _change(account, number, profile=number.profile | given.model_dump(exclude_unset=True))
    return Answer({"data": changed.profile_json()})


def retrieve_calling(account: "Account", call: OperationCall) -> Answer:
    """Show whether a number takes calls."""
    return Answer({"data": _known(account, call).calling_json()})


def update_calling(account: "Account", call: OperationCall) -> Answer:
    """Let a number take calls, or not."""
    changed = _change(account, _known(account, call), calling_enabled=call.read(_Calling).enabled)
    return Answer({"data": changed.calling_json()})


def _known(account: "Account", call: OperationCall) -> WhatsappNumber:
    asked = call.parameters["phone_number"]
    number = _number(account, asked) if asked in set(_used(account)) else None
    return existing(None if number is None or number.deleted else number)


def _used(account: "Account") -> Iterator[str]:
    """Yield our numbers of all WhatsApp messages."""
    for each in account.messages:
        if each.type == "WHATSAPP":
            yield each.to if each.direction == "inbound" else each.sender


def _number(account: "Account", phone_number: str) -> WhatsappNumber:
    found = account.whatsapp_numbers.find(phone_number)
    if found is None:
        now = account.clock.now()
        found = WhatsappNumber(phone_number, account.identifiers.digits("whatsapp number", 15), now, now)
        account.whatsapp_numbers.put(found)
    return found


def _change(account: "Account", number: WhatsappNumber, **changes: Any) -> WhatsappNumber:
    changed = replace(number, updated_at=account.clock.now(), **changes)
    account.whatsapp_numbers.put(changed)
    return changed
