"""Messaging profiles, their senders, and the domains that Telnyx shortens links with."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import phonenumbers
from pydantic import Field

from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import RequestBody, WebAddress, is_e164
from service.testing.simulator.api.lists import page
from service.testing.simulator.resources import Resources
from service.testing.simulator.webhooks.deliveries import WebhookTarget

if TYPE_CHECKING:
    from service.testing.simulator.account import Account


class _ProfileSettings(RequestBody):
    enabled: bool = True
    webhook_url: WebAddress | None = None
    webhook_failover_url: WebAddress | None = None
    webhook_api_version: Literal["1", "2", "2010-04-01"] = "2"
    number_pool_settings: dict[str, Any] | None = None
    url_shortener_settings: dict[str, Any] | None = None
    alpha_sender: str | None = None
    features: dict[str, bool] | None = None
    redaction_enabled: bool = False
    redaction_level: int = Field(2, ge=1, le=2)
    daily_spend_limit_enabled: bool = False
    mms_fall_back_to_sms: bool = False
    mms_transcoding: bool = False
    mobile_only: bool = False
    smart_encoding: bool = False


class MessagingProfileUpdate(_ProfileSettings):
    """The fields that PATCH changes, as far as given. Source: the SDK's `MessagingProfileUpdateParams`."""

    name: str = ""
    whitelisted_destinations: list[str] = Field(default_factory=list)
    daily_spend_limit: str = ""


class MessagingProfile(_ProfileSettings):
    """A messaging profile, with the fields that Telnyx shows. Source: the SDK's `MessagingMessagingProfile`."""

    record_type: Literal["messaging_profile"] = "messaging_profile"
    id: str
    name: str
    organization_id: str
    whitelisted_destinations: list[str] = Field(default_factory=lambda: ["US", "CA"])
    daily_spend_limit: str | None = None
    v1_secret: str = "simulated"  # noqa: S105 - what Telnyx calls it
    created_at: str
    updated_at: str


class MessagingProfiles(Resources[MessagingProfile]):
    """The profiles by id, and which number belongs to which."""

    def __init__(self, default_webhook_url: str | None) -> None:
        super().__init__()
        self._default = WebhookTarget(default_webhook_url)
        self._numbers: dict[str, str] = {}
        self._unassigned: set[str] = set()

    def assign(self, phone_number: str, profile_id: str) -> None:
        """Let the number belong to that profile."""
        self._numbers[phone_number] = profile_id
        self._unassigned.discard(phone_number)

    def unassign(self, phone_number: str) -> None:
        """Let lists show the number without a profile."""
        self._numbers.pop(phone_number, None)
        self._unassigned.add(phone_number)

    def shown_of_number(self, phone_number: str) -> str | None:
        """Return the id of the profile that lists show for the number, or None where it has none."""
        return None if phone_number in self._unassigned else self.of_number(phone_number)

    @property
    def assigned(self) -> list[str]:
        """The numbers and short codes that were assigned, or left without a profile."""
        return [*self._numbers, *self._unassigned]

    def of_number(self, phone_number: str) -> str:
        """Return the id of the number's profile: the first one, unless it was assigned to another."""
        return self._numbers.get(phone_number, self.default_id)

    def numbers_of(self, profile_id: str) -> list[str]:
        """Return the numbers and short codes that were assigned to that profile."""
        return [number for number, owner in self._numbers.items() if owner == profile_id]

    @property
    def default_id(self) -> str:
        """The id of the first profile."""
        return next(iter(self)).id

    def destination(self, profile_id: str) -> WebhookTarget:
        """Return where the webhooks of that profile go. Those of an unknown one go to the simulator's own URL."""
        profile = self.find(profile_id)
        return self._default if profile is None else WebhookTarget(profile.webhook_url, profile.webhook_failover_url)


@dataclass(frozen=True, slots=True)
class UrlDomain:
    """One domain for links. Source: the SDK's `MessagingURLDomainListResponse`."""

    id: str
    url_domain: str
    use_case: str
    record_type: str = "messaging_url_domain"


def list_profiles(account: "Account", call: OperationCall) -> Answer:
    """List the profiles whose names fit the filters."""
    names = (call.query.get("filter[name][eq]"), call.query.get("filter[name]"))
    part = call.query.get("filter[name][contains]", "")
    found = [
        profile.model_dump()
        for profile in account.profiles
        if part in profile.name and all(name in (None, profile.name) for name in names)
    ]
    return page(call, found)


def retrieve_profile(account: "Account", call: OperationCall) -> Answer:
    """Show one profile."""
    return Answer({"data": account.profiles.known(call.parameters["id"]).model_dump()})


def update_profile(account: "Account", call: OperationCall) -> Answer:
    """Change the fields that are given."""
    profile = account.profiles.known(call.parameters["id"])
    changes = call.read(MessagingProfileUpdate).model_dump(exclude_unset=True)
    changed = profile.model_copy(update=changes | {"updated_at": account.clock.iso()})
    account.profiles.put(changed)
    return Answer({"data": changed.model_dump()})


def list_phone_numbers(account: "Account", call: OperationCall) -> Answer:
    """List the numbers of a profile, with their countries. Source: SDK 4.189, `PhoneNumberWithMessagingSettings`."""
    profile = account.profiles.known(call.parameters["id"])
    numbers = [number for number in account.profiles.numbers_of(profile.id) if is_e164(number)]
    return page(call, [_messaging_number(account, number) for number in numbers])


def list_messaging_numbers(account: "Account", call: OperationCall) -> Answer:
    """List numbers with their profiles. Every number that is asked for is one of the account's.

    Source: SDK 4.189, `phone_numbers.messaging.list`.
    """
    named = call.query.get("filter[phone_number]")
    numbers = named.split(",") if named else account.profiles.assigned
    rows = [_messaging_number(account, number) for number in numbers if is_e164(number)]
    wanted = call.query.get("filter[messaging_profile_id]")
    return page(call, [row for row in rows if wanted in (None, row["messaging_profile_id"])])


def _messaging_number(account: "Account", number: str) -> dict[str, Any]:
    shown = {"record_type": "messaging_settings", "messaging_product": "P2P", "country_code": _country(number)}
    profile_id = account.profiles.shown_of_number(number)
    return {"id": number, "phone_number": number, "messaging_profile_id": profile_id, **shown}


def list_short_codes(account: "Account", call: OperationCall) -> Answer:
    """List the short codes of a profile. Source: SDK 4.189, `ShortCode`."""
    profile = account.profiles.known(call.parameters["id"])
    codes = [number for number in account.profiles.numbers_of(profile.id) if not is_e164(number)]
    return page(call, [_short_code(account, code) for code in codes])


def list_all_short_codes(account: "Account", call: OperationCall) -> Answer:
    """List the short codes of all profiles. Source: SDK 4.189, `short_codes.list`."""
    rows = [_short_code(account, code) for code in account.profiles.assigned if not is_e164(code)]
    wanted = call.query.get("filter[messaging_profile_id]")
    return page(call, [row for row in rows if wanted in (None, row["messaging_profile_id"])])


def _short_code(account: "Account", code: str) -> dict[str, Any]:
    shown = {"record_type": "short_code", "country_code": "US"}
    return {"id": code, "short_code": code, "messaging_profile_id": account.profiles.shown_of_number(code), **shown}


def list_url_domains(account: "Account", call: OperationCall) -> Answer:
    """List the domains."""
    return page(call, map(asdict, account.url_domains))


def _country(number: str) -> str | None:
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return None
