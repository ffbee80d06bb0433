"""Toll-free verification requests: list, submit, retrieve, change, delete, and their history."""

from dataclasses import replace
from typing import Any

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import bad_request, not_found
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.filters import time_filter
from service.testing.simulator.api.pages import LARGEST_SIZE, whole_number
from service.testing.simulator.tollfree.requests import StatusChange, VerificationRequest
from service.testing.simulator.tollfree.submission import Submission


def list_requests(account: Account, call: OperationCall) -> Answer:
    """List the requests that fit the filters; `page` and `page_size` are required, a size too large is lowered.

    Raises:
        ApiError: 400, a page is missing or out of range, or a filter does not fit.
    """
    in_time = time_filter(call, "date_start", "date_end")
    found = [
        request.as_json()
        for request in account.verification_requests
        if in_time(request.history[0].at) and _fits(request, call)
    ]
    return _records(found, whole_number(call, "page", None), whole_number(call, "page_size", None))


def submit_request(account: Account, call: OperationCall) -> Answer:
    """Submit a request; one about a number that is verified already takes the old one's place and un-verifies it.

    Raises:
        ApiError: 400, a field is missing or does not fit.
    """
    fields = _fields(call)
    request = VerificationRequest(account.identifiers.uuid("verification request"), fields, (_queued(account),))
    verified = account.verification_requests.verified_with(request.phone_numbers)
    if verified is not None:
        request = replace(verified, fields=fields).with_status(_queued(account))
    account.verification_requests.put(request)
    return Answer(request.submitted())


def retrieve_request(account: Account, call: OperationCall) -> Answer:
    """Show one request with its status and the reason for it.

    Raises:
        ApiError: 404, there is no such request.
    """
    return Answer(_known(account, call).as_json())


def update_request(account: Account, call: OperationCall) -> Answer:
    """Replace the whole request, which goes back into review and is no longer verified.

    Raises:
        ApiError: 404, there is no such request; 400, a field is missing or does not fit.
    """
    request = replace(_known(account, call), fields=_fields(call)).with_status(_queued(account))
    account.verification_requests.put(request)
    return Answer(request.submitted())


def delete_request(account: Account, call: OperationCall) -> Answer:
    """Delete a request that was rejected. Source: OpenAPI `DeleteVerificationRequest`.

    Raises:
        ApiError: 404, there is no such request any more; 400, it is not rejected.
    """
    request = _known(account, call)
    if request.status != "Rejected":
        raise bad_request("Only a rejected verification request can be deleted.")
    account.verification_requests.remove(request.id)
    return Answer(None)


def retrieve_history(account: Account, call: OperationCall) -> Answer:
    """List the status changes of one request, the latest first.

    Raises:
        ApiError: 404, there is no such request; 400, a page is missing or out of range.
    """
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
    request = account.verification_requests.find(call.parameters["id"])
    if request is None:
        raise not_found()
    return request


def _fits(request: VerificationRequest, call: OperationCall) -> bool:
    return (
        call.query.get("status") in (None, request.status)
        and ("phone_number" not in call.query or call.query["phone_number"] in request.phone_numbers)
        and call.query.get("business_name") in (None, request.fields["businessName"])
    )
