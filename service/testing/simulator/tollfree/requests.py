"""Toll-free verification requests: the operations on them, the history of each, and decisions.

The webhook about a decision is not documented. One of its shapes is that of Telnyx's own sample. Three more come from
other pages and public code.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

from pydantic import ConfigDict, Field, create_model, model_validator
from pydantic.alias_generators import to_camel
from telnyx.types.messaging_tollfree.verification import TollFreeVerificationEntityType, UseCaseCategories, Volume

from service.testing.simulator.api.api_error import bad_request
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import ControlBody, PhoneNumber, RequestBody, must, one_of
from service.testing.simulator.api.lists import LARGEST_SIZE, time_filter, whole_number
from service.testing.simulator.resources import Resources
from service.testing.simulator.simulated_clock import iso
from service.testing.simulator.webhooks.deliveries import WebhookTarget, new_event

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

VerificationStatus = Literal[
    "Verified", "Rejected", "Waiting For Vendor", "Waiting For Customer", "Waiting For Telnyx", "In Progress"
]
"""Source: OpenAPI `TFVerificationStatus`."""

Shape = Literal[
    "toll_free_verification.status_update",
    "verification_request.status_updated",
    "toll_free_verification.updated",
    "messaging_profile.toll_free_verification.updated",
]


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One entry of a request's history. `at` is simulated seconds since 1970."""

    status: VerificationStatus
    at: float
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the entry as Telnyx shows it. Source: OpenAPI `VerificationStatusHistoryEntry`."""
        return {"verificationStatus": self.status, "reason": self.reason, "updatedAt": iso(self.at)}


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """One request: the submission, and its history, oldest first. The last entry is its status."""

    id: str
    fields: dict[str, Any]
    history: tuple[StatusChange, ...]

    @property
    def status(self) -> VerificationStatus:
        """The current status."""
        return self.history[-1].status

    @property
    def phone_numbers(self) -> set[str]:
        """The toll-free numbers of the request."""
        return {entry["phoneNumber"] for entry in self.fields["phoneNumbers"]}

    def with_status(self, change: StatusChange) -> "VerificationRequest":
        """Return the request after `change`."""
        return replace(self, history=(*self.history, change))

    def submitted(self) -> dict[str, Any]:
        """Return the request as POST and PATCH answer it. Source: OpenAPI `VerificationRequestEgress`."""
        ids = {"id": self.id, "verificationRequestId": self.id}
        return {**self.fields, **ids, "verificationStatus": self.status}

    def as_json(self) -> dict[str, Any]:
        """Return the request as GET shows it. Source: OpenAPI `VerificationRequestStatus`."""
        last = self.history[-1]
        times = {"createdAt": iso(self.history[0].at), "updatedAt": iso(last.at)}
        shown = {**self.fields, "id": self.id, "verificationStatus": self.status, **times}
        return shown if last.reason is None else shown | {"reason": last.reason}


class VerificationRequests(Resources[VerificationRequest]):
    """The requests by id. Deleted ones are gone."""

    def verified_with(self, phone_numbers: set[str]) -> VerificationRequest | None:
        """Return a verified request about one of these numbers, or None."""
        return next((r for r in self if r.status == "Verified" and r.phone_numbers & phone_numbers), None)

    def is_unverified(self, phone_number: str) -> bool:
        """Return whether there are requests about the number and none of them is verified."""
        statuses = {request.status for request in self if phone_number in request.phone_numbers}
        return bool(statuses) and "Verified" not in statuses


class ReviewDecision(ControlBody):
    """A new status, its reason, and the event type of the webhook. Without `shape` none is sent."""

    status: VerificationStatus
    reason: str | None = Field(None, max_length=500)
    shape: Shape | None = "toll_free_verification.status_update"


def decide(account: "Account", request_id: str, decision: ReviewDecision) -> VerificationRequest:
    """Note the decision, and send the webhook to the request's `webhookUrl`.

    Raises:
        ApiError: 404, there is no such request.
    """
    change = StatusChange(decision.status, account.clock.now(), decision.reason)
    decided = account.verification_requests.known(request_id).with_status(change)
    account.verification_requests.put(decided)
    if decision.shape is not None:
        event = new_event(account.clock, account.identifiers, decision.shape, _payload(decided, decision))
        account.courier.send(event, WebhookTarget(decided.fields.get("webhookUrl")))
    return decided


def _payload(request: VerificationRequest, decision: ReviewDecision) -> dict[str, Any]:
    if decision.shape == "toll_free_verification.status_update":
        return {"id": request.id, "status": decision.status.lower(), "rejectionReason": decision.reason}
    decided = {"verificationStatus": decision.status, "reason": decision.reason}
    ids = {"id": request.id, "verificationRequestId": request.id}
    return {**ids, **decided, "phoneNumbers": request.fields["phoneNumbers"]}


_REQUIRED = """
business_name corporate_website business_city business_zip business_contact_first_name business_contact_last_name
business_contact_email business_contact_phone use_case_summary opt_in_workflow additional_information
"""
_OPTIONAL = """
isv_reseller webhook_url business_registration_number business_registration_type doing_business_as
opt_in_confirmation_response help_message_response opt_in_keywords
"""
"""The fields that hold any text."""

Text = Annotated[str, Field(max_length=500)]
StateName = Annotated[Text, must(lambda state: len(state) > 2, "must be the full name of the state")]


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
    message_volume: Annotated[str, one_of(get_args(Volume))]
    phone_numbers: list[TollFreeNumber] = Field(min_length=1)
    use_case: Annotated[str, one_of(get_args(UseCaseCategories))]
    production_message_content: str = Field(max_length=1000)
    opt_in_workflow_image_urls: list[ImageUrl] = Field(min_length=1, alias="optInWorkflowImageURLs")
    business_registration_country: str | None = Field(None, pattern="^[A-Z]{2}$")
    entity_type: TollFreeVerificationEntityType | None = None
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


def list_requests(account: "Account", call: OperationCall) -> Answer:
    """List the requests that fit the filters. `page` and `page_size` are required, a size too large is lowered."""
    in_time = time_filter(call, "date_start", "date_end")
    found = [
        request.as_json()
        for request in account.verification_requests
        if in_time(request.history[0].at) and _fits(request, call)
    ]
    return _records(found, whole_number(call, "page", None), whole_number(call, "page_size", None))


def submit_request(account: "Account", call: OperationCall) -> Answer:
    """Submit a request. One about a number that is verified already replaces the old one and un-verifies it."""
    fields = _fields(call)
    request = VerificationRequest(account.identifiers.uuid("verification request"), fields, (_queued(account),))
    verified = account.verification_requests.verified_with(request.phone_numbers)
    if verified is not None:
        request = replace(verified, fields=fields).with_status(_queued(account))
    account.verification_requests.put(request)
    return Answer(request.submitted())


def retrieve_request(account: "Account", call: OperationCall) -> Answer:
    """Show one request with its status and the reason for it."""
    return Answer(_known(account, call).as_json())


def update_request(account: "Account", call: OperationCall) -> Answer:
    """Replace the whole request, which goes back into review and is no longer verified."""
    request = replace(_known(account, call), fields=_fields(call)).with_status(_queued(account))
    account.verification_requests.put(request)
    return Answer(request.submitted())


def delete_request(account: "Account", call: OperationCall) -> Answer:
    """Delete a request that was rejected. Source: OpenAPI `DeleteVerificationRequest`."""
    request = _known(account, call)
    if request.status != "Rejected":
        raise bad_request("Only a rejected verification request can be deleted.")
    account.verification_requests.remove(request.id)
    return Answer(None)


def retrieve_history(account: "Account", call: OperationCall) -> Answer:
    """List the status changes of one request, the latest first."""
    entries = [change.as_json() for change in reversed(_known(account, call).history)]
    return _records(entries, whole_number(call, "page[number]", None), whole_number(call, "page[size]", None))


def _records(entries: list[Any], number: int, size: int) -> Answer:
    size = min(size, LARGEST_SIZE)
    return Answer({"records": entries[(number - 1) * size : number * size], "total_records": len(entries)})


def _fields(call: OperationCall) -> dict[str, Any]:
    return call.read(Submission).model_dump(by_alias=True, exclude_none=True)


def _queued(account: "Account") -> StatusChange:
    return StatusChange("In Progress", account.clock.now())


def _known(account: "Account", call: OperationCall) -> VerificationRequest:
    return account.verification_requests.known(call.parameters["id"])


def _fits(request: VerificationRequest, call: OperationCall) -> bool:
    return (
        call.query.get("status") in (None, request.status)
        and ("phone_number" not in call.query or call.query["phone_number"] in request.phone_numbers)
        and call.query.get("business_name") in (None, request.fields["businessName"])
    )
