"""Toll-free verification requests: list, submit, retrieve, change, delete, and their history."""

from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, create_model, model_validator
from pydantic.alias_generators import to_camel

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import bad_request
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import PhoneNumber, RequestBody, must, one_of
from service.testing.simulator.api.lists import LARGEST_SIZE, time_filter, whole_number
from service.testing.simulator.tollfree.requests import StatusChange, VerificationRequest

_VOLUMES = "10 100 1,000 10,000 100,000 250,000 500,000 750,000 1,000,000 5,000,000 10,000,000+"
_USE_CASES = """
2FA; App Notifications; Appointments; Auctions; Auto Repair Services; Bank Transfers; Billing; Booking Confirmations;
Business Updates; COVID-19 Alerts; Career Training; Chatbot; Conversational / Alerts; Courier Services & Deliveries;
Emergency Alerts; Events & Planning; Financial Services; Fraud Alerts; Fundraising; General Marketing;
General School Updates; HR / Staffing; Healthcare Alerts; Housing Community Updates; Insurance Services; Job Dispatch;
Legal Services; Mixed; Motivational Reminders; Notary Notifications; Order Notifications; Political; Public Works;
Real Estate Services; Religious Services; Repair and Diagnostics Alerts; Rewards Program; Surveys; System Alerts;
Voting Reminders; Waitlist Alerts; Webinar Reminders; Workshop Alerts
"""
_REQUIRED = """
business_name corporate_website business_city business_zip business_contact_first_name business_contact_last_name
business_contact_email business_contact_phone use_case_summary opt_in_workflow additional_information
"""
_OPTIONAL = """
isv_reseller webhook_url business_registration_number business_registration_type doing_business_as
opt_in_confirmation_response help_message_response opt_in_keywords
"""
"""The fields that hold any text."""

EntityType = Literal["SOLE_PROPRIETOR", "PRIVATE_PROFIT", "PUBLIC_PROFIT", "NON_PROFIT", "GOVERNMENT"]
Text = Annotated[str, Field(max_length=500)]
StateName = Annotated[Text, must(lambda state: len(state) > 2, "must be the full name of the state")]
MessageVolume = Annotated[
    str, must(frozenset(_VOLUMES.split()).__contains__, "must be one of the volumes that Telnyx names")
]
UseCase = Annotated[str, one_of([each.strip() for each in _USE_CASES.split(";")])]
"""Source: OpenAPI `TFVerificationRequest`, as of the volumes and the fields."""


class TollFreeNumber(RequestBody):
    """One number to verify."""

    number: PhoneNumber = Field(alias="phoneNumber")


class ImageUrl(RequestBody):
    """The address of a picture of the opt-in."""

    url: str = Field(min_length=1, max_length=2083)


class _CheckedFields(RequestBody):
    model_config = ConfigDict(alias_generator=to_camel)

    business_addr1: Text = Field(alias="businessAddr1")
    business_addr2: Text | None = Field(None, alias="businessAddr2")
    business_state: StateName
    message_volume: MessageVolume
    phone_numbers: list[TollFreeNumber] = Field(min_length=1)
    use_case: UseCase
    production_message_content: str = Field(max_length=1000)
    opt_in_workflow_image_urls: list[ImageUrl] = Field(min_length=1, alias="optInWorkflowImageURLs")
    business_registration_country: str | None = Field(None, pattern="^[A-Z]{2}$")
    entity_type: EntityType | None = None
    privacy_policy_url: Text | None = Field(None, alias="privacyPolicyURL")
    terms_and_condition_url: Text | None = Field(None, alias="termsAndConditionURL")
    age_gated_content: bool = False
    campaign_verify_authorization_token: Text | None = None

    @model_validator(mode="after")
    def _political_needs_token(self) -> Self:
        # Since 17 February 2026, says the description of the field in the OpenAPI document.
        if self.use_case == "Political" and not self.campaign_verify_authorization_token:
            raise ValueError("the use case Political needs a campaignVerifyAuthorizationToken")
        return self


_texts: dict[str, Any] = dict.fromkeys(_REQUIRED.split(), (Text, ...)) | dict.fromkeys(
    _OPTIONAL.split(), (Text | None, None)
)
Submission = create_model("Submission", __base__=_CheckedFields, **_texts)
"""The body of a submission: 18 fields are required, on PATCH too, the others optional."""


def list_requests(account: Account, call: OperationCall) -> Answer:
    """List the requests that fit the filters. `page` and `page_size` are required, a size too large is lowered."""
    in_time = time_filter(call, "date_start", "date_end")
    found = [
        request.as_json()
        for request in account.verification_requests
        if in_time(request.history[0].at) and _fits(request, call)
    ]
    return _records(found, whole_number(call, "page", None), whole_number(call, "page_size", None))


def submit_request(account: Account, call: OperationCall) -> Answer:
    """Submit a request. One about a number that is verified already replaces the old one and un-verifies it."""
    fields = _fields(call)
    request = VerificationRequest(account.identifiers.uuid("verification request"), fields, (_queued(account),))
    verified = account.verification_requests.verified_with(request.phone_numbers)
    if verified is not None:
        request = replace(verified, fields=fields).with_status(_queued(account))
    account.verification_requests.put(request)
    return Answer(request.submitted())


def retrieve_request(account: Account, call: OperationCall) -> Answer:
    """Show one request with its status and the reason for it."""
    return Answer(_known(account, call).as_json())


def update_request(account: Account, call: OperationCall) -> Answer:
    """Replace the whole request, which goes back into review and is no longer verified."""
    request = replace(_known(account, call), fields=_fields(call)).with_status(_queued(account))
    account.verification_requests.put(request)
    return Answer(request.submitted())


def delete_request(account: Account, call: OperationCall) -> Answer:
    """Delete a request that was rejected. Source: OpenAPI `DeleteVerificationRequest`."""
    request = _known(account, call)
    if request.status != "Rejected":
        raise bad_request("Only a rejected verification request can be deleted.")
    account.verification_requests.remove(request.id)
    return Answer(None)


def retrieve_history(account: Account, call: OperationCall) -> Answer:
    """List the status changes of one request, the latest first."""
    entries = [change.as_json() for change in reversed(_known(account, call).history)]
    return _records(entries, whole_number(call, "page[number]", None), whole_number(call, "page[size]", None))


def _records(entries: list[Any], number: int, size: int) -> Answer:
    size = min(size, LARGEST_SIZE)
    return Answer({"records": entries[(number - 1) * size : number * size], "total_records": len(entries)})


def _fields(call: OperationCall) -> dict[str, Any]:
    return call.read(Submission).model_dump(by_alias=True, exclude_none=True)


def _queued(account: Account) -> StatusChange:
    return StatusChange("In Progress", account.clock.now())


def _known(account: Account, call: OperationCall) -> VerificationRequest:
    return account.verification_requests.known(call.parameters["id"])


def _fits(request: VerificationRequest, call: OperationCall) -> bool:
    return (
        call.query.get("status") in (None, request.status)
        and ("phone_number" not in call.query or call.query["phone_number"] in request.phone_numbers)
        and call.query.get("business_name") in (None, request.fields["businessName"])
    )
