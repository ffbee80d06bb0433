"""Messaging profiles: `GET /messaging_profiles`, `GET|PATCH /messaging_profiles/{id}`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.testing.simulator.api.api_error import not_found
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import RequestBody, WebAddress
from service.testing.simulator.api.pages import page
from service.testing.simulator.webhooks.events import WebhookTarget

if TYPE_CHECKING:
    from service.testing.simulator.account import Account


class MessagingProfile(BaseModel):
    """A messaging profile, with the fields that Telnyx shows. Source: the SDK's `MessagingMessagingProfile`."""

    model_config = ConfigDict(frozen=True)

    record_type: Literal["messaging_profile"] = "messaging_profile"
    id: str
    name: str
    enabled: bool = True
    organization_id: str
    webhook_url: str | None = None
    webhook_failover_url: str | None = None
    webhook_api_version: Literal["1", "2", "2010-04-01"] = "2"
    whitelisted_destinations: list[str] = ["US", "CA"]
    number_pool_settings: dict[str, Any] | None = None
    url_shortener_settings: dict[str, Any] | None = None
    alpha_sender: str | None = None
    daily_spend_limit: str | None = None
    daily_spend_limit_enabled: bool = False
    mms_fall_back_to_sms: bool = False
    mms_transcoding: bool = False
    mobile_only: bool = False
    smart_encoding: bool = False
    v1_secret: str = "simulated"  # noqa: S105 - what Telnyx calls it
    created_at: str
    updated_at: str


class MessagingProfileUpdate(RequestBody):
    """The fields that PATCH changes, as far as given. Source: the SDK's `MessagingProfileUpdateParams`."""

    name: str = ""
    enabled: bool = True
    webhook_url: WebAddress | None = None
    webhook_failover_url: WebAddress | None = None
    webhook_api_version: Literal["1", "2", "2010-04-01"] = "2"
    whitelisted_destinations: list[str] = Field(default_factory=list)
    number_pool_settings: dict[str, Any] | None = None
    url_shortener_settings: dict[str, Any] | None = None
    alpha_sender: str | None = None
    daily_spend_limit: str = ""
    daily_spend_limit_enabled: bool = False
    mms_fall_back_to_sms: bool = False
    mms_transcoding: bool = False
    mobile_only: bool = False
    smart_encoding: bool = False


class MessagingProfiles:
    """The profiles by id, and which number belongs to which."""

    def __init__(self, default_webhook_url: str | None) -> None:
        self._default = WebhookTarget(default_webhook_url)
        self._profiles: dict[str, MessagingProfile] = {}
        self._numbers: dict[str, str] = {}

    def __iter__(self) -> Iterator[MessagingProfile]:
        return iter(list(self._profiles.values()))

    def put(self, profile: MessagingProfile) -> None:
        """Add a profile, or replace the one of that id."""
        self._profiles[profile.id] = profile

    def find(self, profile_id: str) -> MessagingProfile | None:
        """The profile of that id."""
        return self._profiles.get(profile_id)

    def assign(self, phone_number: str, profile_id: str) -> None:
        """Let the number belong to that profile."""
        self._numbers[phone_number] = profile_id

    def of_number(self, phone_number: str) -> str:
        """The id of the profile that the number belongs to: the first one, unless it was assigned to another."""
        return self._numbers.get(phone_number, self.default_id)

    def numbers_of(self, profile_id: str) -> list[str]:
        """The numbers and short codes that were assigned to that profile."""
        return [number for number, owner in self._numbers.items() if owner == profile_id]

    @property
    def default_id(self) -> str:
        """The id of the first profile."""
        return next(iter(self._profiles))

    def destination(self, profile_id: str) -> WebhookTarget:
        """Where the webhooks of that profile go; those of one that is not known go to the simulator's own URL."""
        profile = self._profiles.get(profile_id)
        return self._default if profile is None else WebhookTarget(profile.webhook_url, profile.webhook_failover_url)


def list_profiles(account: "Account", call: OperationCall) -> Answer:
    """List the profiles whose names fit the filters.

    Raises:
        ApiError: 400, a page is out of range.
    """
    names = (call.query.get("filter[name][eq]"), call.query.get("filter[name]"))
    part = call.query.get("filter[name][contains]", "")
    found = [
        profile.model_dump()
        for profile in account.profiles
        if part in profile.name and all(name in (None, profile.name) for name in names)
    ]
    return page(call, found)


def retrieve_profile(account: "Account", call: OperationCall) -> Answer:
    """Show one profile.

    Raises:
        ApiError: 404, there is no such profile.
    """
    return Answer({"data": _known(account, call).model_dump()})


def update_profile(account: "Account", call: OperationCall) -> Answer:
    """Change the fields that are given.

    Raises:
        ApiError: 404, there is no such profile; 400, a field does not fit.
    """
    profile = _known(account, call)
    changes = call.read(MessagingProfileUpdate).model_dump(exclude_unset=True)
    changed = profile.model_copy(update=changes | {"updated_at": account.clock.iso()})
    account.profiles.put(changed)
    return Answer({"data": changed.model_dump()})


def _known(account: "Account", call: OperationCall) -> MessagingProfile:
    profile = account.profiles.find(call.parameters["id"])
    if profile is None:
        raise not_found()
    return profile
