"""The file of an RCS brand and agent, checked in full before anything is sent.

Names, kinds and conditions: SDK 4.189, `rcs.BrandCreateParams` and `rcs.AgentCreateParams`.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from telnyx.types.rcs.agent_use_case import AgentUseCase
from telnyx.types.rcs.brand_legal_entity_type import BrandLegalEntityType
from telnyx.types.rcs.brand_organization_type import BrandOrganizationType

from service.registrations.rcs_launch import (
    CampaignSection,
    ConsentSection,
    Interaction,
    LaunchTable,
    OptInMethod,
    Testing,
    Text,
    Url,
)
from service.registrations.submission_fields import Email, InvalidSubmission, PhoneNumber, matching, one_of


def _identifier(kind: str) -> BeforeValidator:
    """Read a value alone as an object of this kind."""
    return BeforeValidator(lambda given: {"identifier_type": kind, "value": given} if isinstance(given, str) else given)


Colour = Annotated[str, matching(re.compile(r"#[0-9A-Fa-f]{6}"), "must be a colour such as #1A73E8")]
Country = Annotated[str, matching(re.compile(r"[A-Z]{2}"), "must be a country in two letters, such as US")]
_EIN = re.compile(r"\d{9}|\d{2}-\d{7}")
_STOCK_SYMBOL = re.compile(r"[A-Z0-9.]+:[A-Z0-9.\-]+")


class RegistrationAddress(LaunchTable):
    """One address of a brand."""

    line_1: Text
    line_2: Text | None = None
    city: Text
    administrative_area: Text
    postal_code: Text
    country_code: Country


class Contact(LaunchTable):
    """One person of a brand."""

    contact_type: Literal["BRAND", "PRIMARY", "OFFICER", "AGENT", "RESPONSIBLE_PARTY", "BILLING", "UNKNOWN"]
    first_name: Text
    last_name: Text
    email: Email
    phone_number: PhoneNumber
    title: Text | None = None


class Ein(LaunchTable):
    """The tax number of a brand."""

    identifier_type: Literal["EIN"] = "EIN"
    value: Annotated[str, matching(_EIN, "must have nine digits, such as 12-3456789")]


class StockSymbol(LaunchTable):
    """The stock symbol of a brand."""

    identifier_type: Literal["STOCK_SYMBOL"] = "STOCK_SYMBOL"
    value: Annotated[str, matching(_STOCK_SYMBOL, "must be EXCHANGE:SYMBOL, such as NASDAQ:ACME")]


class BrandIdentifiers(LaunchTable):
    """The numbers by which a brand is known."""

    ein: Annotated[Ein, _identifier("EIN")]
    stock_symbol: Annotated[StockSymbol | None, _identifier("STOCK_SYMBOL")] = None


class BrandSubmission(LaunchTable):
    """The business that operates agents."""

    display_name: Text
    legal_name: Text
    legal_entity_type: Annotated[str, one_of(BrandLegalEntityType)]
    organization_type: Annotated[str, one_of(BrandOrganizationType)]
    website_url: Url
    addresses: Annotated[dict[str, RegistrationAddress], Field(min_length=1)]
    contacts: dict[str, Contact]
    identifiers: BrandIdentifiers
    profile_id: Text | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        brand = self.contacts.get("brand")
        if brand is None or brand.contact_type != "BRAND":
            raise ValueError("contacts.brand: is required, with the contact_type BRAND")
        if self.organization_type == "PUBLIC_PROFIT" and self.identifiers.stock_symbol is None:
            raise ValueError("identifiers.stock_symbol: is required for PUBLIC_PROFIT")
        return self


class PhoneContact(LaunchTable):
    """A number that people can call."""

    number: PhoneNumber
    label: Text


class WebsiteContact(LaunchTable):
    """A page that people can open."""

    url: Url
    label: Text


class EmailContact(LaunchTable):
    """An address that people can write to."""

    address: Email
    label: Text


class Basics(LaunchTable):
    """The agent's face: texts, colour, images and contacts."""

    description: Text | None = None
    brand_color: Colour | None = None
    logo_url: Url | None = None
    hero_url: Url | None = None
    privacy_policy_url: Url | None = None
    terms_and_conditions_url: Url | None = None
    phone_number: PhoneContact | None = None
    website: WebsiteContact | None = None
    email: EmailContact | None = None

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if not (self.phone_number or self.website or self.email):
            raise ValueError("email: one of phone_number, website and email is required")
        return self


class Agent(LaunchTable):
    """The sender that people see."""

    display_name: Text
    use_case: Annotated[str, one_of(AgentUseCase)]
    hosting_region: Text | None = None
    profile_id: Text | None = None
    basics: Basics


class RcsFile(LaunchTable):
    """A file: a brand or the id of one, its agent, and what the launch needs."""

    brand: BrandSubmission | None = None
    brand_id: Text | None = None
    agent: Agent | None = None
    campaign: CampaignSection | None = None
    testing: Testing | None = None

    def brand_fields(self) -> dict[str, Any] | None:
        """Return the arguments of the SDK's `brands.create`, or None where the file names a brand by its id."""
        return self.brand.model_dump(exclude_none=True) if self.brand else None

    def agent_fields(self) -> dict[str, Any] | None:
        """Return the arguments of the SDK's `agents.create` but the brand and the key, or None without an agent."""
        if self.agent is None:
            return None
        fields = self.agent.model_dump(exclude_none=True)
        parts = {"basics": fields.pop("basics"), **self.launch_fields()}
        return {**fields, "configuration": parts}

    def launch_fields(self) -> dict[str, Any]:
        """Return the arguments of the SDK's `agents.launch`, as far as the file has them."""
        parts = {"campaign": self.campaign, "testing": self.testing}
        return {name: part.model_dump(exclude_none=True) for name, part in parts.items() if part is not None}


def read_file(fields: Mapping[str, Any], *, launching: bool = False) -> RcsFile:
    """Check a file. One for a launch needs `[campaign]` and `[testing]`, another one a brand.

    Raises:
        InvalidSubmission: a field is missing, unknown or does not fit.
    """
    try:
        file = RcsFile.model_validate(fields)
    except ValidationError as error:
        raise InvalidSubmission(dict(_problems(error))) from None
    if launching:
        lacking = {each: "is required" for each in ("campaign", "testing") if getattr(file, each) is None}
    else:
        both = (file.brand is None) == (file.brand_id is None)
        lacking = {"brand": "give either [brand] or the brand_id of one that is there"} if both else {}
    if lacking:
        raise InvalidSubmission(lacking)
    return file


def _problems(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Yield each field's problems, without the given value."""
    for each in error.errors(include_input=False, include_url=False):
        path, said = [str(part) for part in each["loc"]], each["msg"].removeprefix("Value error, ")
        inner, colon, rest = said.partition(": ")
        if each["type"] == "value_error" and colon and re.fullmatch(r"[a-z_.]+", inner):
            path, said = [*path, inner], rest
        if each["type"] == "missing":
            said = "is required"
        if each["type"] == "extra_forbidden":
            said = f"there is no such field{_meant(path)}"
        yield ".".join(path), said


def _meant(path: list[str]) -> str:
    near = difflib.get_close_matches(path[-1], _NAMES, n=1)
    return f": did you mean {near[0]}?" if near else ""


_TABLES: tuple[type[LaunchTable], ...] = (
    *(
        RegistrationAddress,
        Contact,
        BrandIdentifiers,
        BrandSubmission,
        PhoneContact,
        WebsiteContact,
        EmailContact,
        Basics,
    ),
    *(Interaction, OptInMethod, ConsentSection, CampaignSection, Testing, Agent, RcsFile),
)
_NAMES = sorted({name for table in _TABLES for name in table.model_fields})
