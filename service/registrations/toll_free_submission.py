"""A toll-free verification request, checked before it is sent.

Source: OpenAPI `TFVerificationRequest`, with the descriptions of its fields.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from telnyx.types.messaging_tollfree.verification import UseCaseCategories, Volume
from telnyx.types.messaging_tollfree.verification.toll_free_verification_entity_type import (
    TollFreeVerificationEntityType,
)

from service.registrations.submission_fields import (
    URL,
    Email,
    InvalidSubmission,
    PhoneNumber,
    SubmissionTable,
    Text,
    Url,
    matching,
    meant,
    one_of,
    read_table,
    wire_names,
)

_STATE_NAMES = """
AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, DE Delaware,
DC District of Columbia, FL Florida, GA Georgia, HI Hawaii, ID Idaho, IL Illinois, IN Indiana, IA Iowa, KS Kansas,
KY Kentucky, LA Louisiana, ME Maine, MD Maryland, MA Massachusetts, MI Michigan, MN Minnesota, MS Mississippi,
MO Missouri, MT Montana, NE Nebraska, NV Nevada, NH New Hampshire, NJ New Jersey, NM New Mexico, NY New York,
NC North Carolina, ND North Dakota, OH Ohio, OK Oklahoma, OR Oregon, PA Pennsylvania, PR Puerto Rico, RI Rhode Island,
SC South Carolina, SD South Dakota, TN Tennessee, TX Texas, UT Utah, VT Vermont, VA Virginia, WA Washington,
WV West Virginia, WI Wisconsin, WY Wyoming
"""

_STATES = {code: name for code, _, name in (each.strip().partition(" ") for each in _STATE_NAMES.split(","))}
"""The full name by its abbreviation."""
_TOLL_FREE = re.compile(r"\+18(00|33|44|55|66|77|88)\d{7}")


def _state(text: str) -> str:
    name = _STATES.get(text.strip(" .").upper())
    if name is not None:
        raise ValueError(f"must be the full name of the state: {name}")
    if len(text) <= 2:
        raise ValueError("must be the full name of the state")
    return text


def _list_of(field: str) -> BeforeValidator:
    """Return a validator of a list of objects with this one field, or of their values alone."""

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return [{field: each} if isinstance(each, str) else each for each in value]

    return BeforeValidator(read)


TollFree = Annotated[Text, matching(_TOLL_FREE, "must be a toll-free number such as +18005550100")]


class SubmittedNumber(SubmissionTable):
    """One number to verify."""

    phone_number: TollFree


class SampleImage(SubmissionTable):
    """The address of a picture of the opt-in."""

    url: Annotated[str, Field(max_length=2083), matching(URL, "must be an address with its scheme")]


class TollFreeSubmission(SubmissionTable):
    """A request. 18 fields are required."""

    business_name: Text
    corporate_website: Url
    business_addr1: Text
    business_city: Text
    business_state: Annotated[Text, AfterValidator(_state)]
    business_zip: Text
    business_contact_first_name: Text
    business_contact_last_name: Text
    business_contact_email: Email
    business_contact_phone: PhoneNumber
    message_volume: Annotated[str, one_of(Volume)]
    phone_numbers: Annotated[list[SubmittedNumber], _list_of("phone_number"), Field(min_length=1)]
    use_case: Annotated[str, one_of(UseCaseCategories)]
    use_case_summary: Text
    production_message_content: Annotated[str, Field(min_length=1, max_length=1000)]
    opt_in_workflow: Text
    opt_in_workflow_image_urls: Annotated[
        list[SampleImage], _list_of("url"), Field(min_length=1, alias="optInWorkflowImageURLs")
    ]
    additional_information: Text

    business_addr2: Text | None = None
    isv_reseller: Text | None = None
    webhook_url: Url | None = None
    business_registration_number: Text | None = None
    business_registration_type: Text | None = None
    business_registration_country: Annotated[str | None, Field(pattern="^[A-Z]{2}$")] = None
    doing_business_as: Text | None = None
    entity_type: Annotated[str, one_of(TollFreeVerificationEntityType)] | None = None
    opt_in_confirmation_response: Text | None = None
    help_message_response: Text | None = None
    privacy_policy_url: Annotated[Text | None, Field(alias="privacyPolicyURL")] = None
    terms_and_condition_url: Annotated[Text | None, Field(alias="termsAndConditionURL")] = None
    opt_in_keywords: Text | None = None
    age_gated_content: bool | None = None
    campaign_verify_authorization_token: Text | None = None

    @model_validator(mode="after")
    def _political_needs_token(self) -> "TollFreeSubmission":
        # Since 17 February 2026, says the description of the field in the OpenAPI document.
        if self.use_case == "Political" and not self.campaign_verify_authorization_token:
            raise ValueError("campaignVerifyAuthorizationToken: the use case Political needs one")
        return self


WIRE_NAMES = wire_names(TollFreeSubmission)
"""Telnyx's name of each field, by the SDK's."""


def read_submission(fields: Mapping[str, Any]) -> TollFreeSubmission:
    """Check a submission.

    Raises:
        InvalidSubmission: a field is missing, unknown or does not fit.
    """
    return read_table(TollFreeSubmission, fields)


REGISTRATION = ("businessRegistrationNumber", "businessRegistrationType", "businessRegistrationCountry")
"""The fields without which Telnyx rejects a request from 2026-02-17 on.

Source: knowledge base, toll-free verification ("Submissions missing these fields will be rejected"). An older page says
January 2026, and the OpenAPI document calls them optional.
"""


def missing_registration(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return a line for each field of the business registration, by Telnyx's names, that is missing or empty."""
    said = "is required since 17 February 2026: Telnyx rejects requests without it (--force sends it all the same)"
    return {name: said for name in REGISTRATION if not fields.get(name)}


def known_field(name: str) -> str:
    """Return Telnyx's name of a field, given by that or by the SDK's.

    Raises:
        InvalidSubmission: there is no such field.
    """
    field = WIRE_NAMES.get(name, name)
    if field not in WIRE_NAMES.values():
        raise InvalidSubmission({name: f"there is no such field{meant(name, WIRE_NAMES)}"})
    return field
