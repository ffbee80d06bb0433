"""The required content of a toll-free verification request. Source: OpenAPI `TFVerificationRequest`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from service.testing.simulator.api.fields import PhoneNumber, RequestBody

Text = Annotated[str, Field(max_length=500)]

MessageVolume = Literal[
    "10",
    "100",
    "1,000",
    "10,000",
    "100,000",
    "250,000",
    "500,000",
    "750,000",
    "1,000,000",
    "5,000,000",
    "10,000,000+",
]
EntityType = Literal["SOLE_PROPRIETOR", "PRIVATE_PROFIT", "PUBLIC_PROFIT", "NON_PROFIT", "GOVERNMENT"]
UseCase = Literal[
    "2FA",
    "App Notifications",
    "Appointments",
    "Auctions",
    "Auto Repair Services",
    "Bank Transfers",
    "Billing",
    "Booking Confirmations",
    "Business Updates",
    "COVID-19 Alerts",
    "Career Training",
    "Chatbot",
    "Conversational / Alerts",
    "Courier Services & Deliveries",
    "Emergency Alerts",
    "Events & Planning",
    "Financial Services",
    "Fraud Alerts",
    "Fundraising",
    "General Marketing",
    "General School Updates",
    "HR / Staffing",
    "Healthcare Alerts",
    "Housing Community Updates",
    "Insurance Services",
    "Job Dispatch",
    "Legal Services",
    "Mixed",
    "Motivational Reminders",
    "Notary Notifications",
    "Order Notifications",
    "Political",
    "Public Works",
    "Real Estate Services",
    "Religious Services",
    "Repair and Diagnostics Alerts",
    "Rewards Program",
    "Surveys",
    "System Alerts",
    "Voting Reminders",
    "Waitlist Alerts",
    "Webinar Reminders",
    "Workshop Alerts",
]


def _full_name(state: str) -> str:
    if len(state) <= 2:
        raise ValueError("must be the full name of the state")
    return state


class TollFreeNumber(RequestBody):
    """One number to verify."""

    number: PhoneNumber = Field(alias="phoneNumber")


class ImageUrl(RequestBody):
    """The address of a picture of the opt-in."""

    url: str = Field(min_length=1, max_length=2083)


class Submission(RequestBody):
    """The body of a submission: 18 fields are required, on PATCH too, the others optional."""

    model_config = ConfigDict(alias_generator=to_camel)

    business_name: Text
    corporate_website: Text
    business_addr1: Text = Field(alias="businessAddr1")
    business_addr2: Text | None = Field(None, alias="businessAddr2")
    business_city: Text
    business_state: Annotated[Text, AfterValidator(_full_name)]
    business_zip: Text
    business_contact_first_name: Text
    business_contact_last_name: Text
    business_contact_email: Text
    business_contact_phone: Text
    message_volume: MessageVolume
    phone_numbers: list[TollFreeNumber] = Field(min_length=1)
    use_case: UseCase
    use_case_summary: Text
    production_message_content: str = Field(max_length=1000)
    opt_in_workflow: Text
    opt_in_workflow_image_urls: list[ImageUrl] = Field(min_length=1, alias="optInWorkflowImageURLs")
    additional_information: Text
    isv_reseller: Text | None = None
    webhook_url: Text | None = None
    business_registration_number: Text | None = None
    business_registration_type: Text | None = None
    business_registration_country: str | None = Field(None, pattern="^[A-Z]{2}$")
    doing_business_as: Text | None = None
    entity_type: EntityType | None = None
    opt_in_confirmation_response: Text | None = None
    help_message_response: Text | None = None
    privacy_policy_url: Text | None = Field(None, alias="privacyPolicyURL")
    terms_and_condition_url: Text | None = Field(None, alias="termsAndConditionURL")
    opt_in_keywords: Text | None = None
    age_gated_content: bool = False
    campaign_verify_authorization_token: Text | None = None

    @model_validator(mode="after")
    def _political_needs_token(self) -> "Submission":
        # Since 17 February 2026, says the description of the field in the OpenAPI document.
        if self.use_case == "Political" and not self.campaign_verify_authorization_token:
            raise ValueError("the use case Political needs a campaignVerifyAuthorizationToken")
        return self
