"""The controls under `/_simulator`: scripting what happens, moving the clock, reading what happened."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.testing.simulator.api.api_error import ApiError, bad_request, from_validation, not_found
from service.testing.simulator.api.faults import Fault
from service.testing.simulator.api.fields import PhoneNumber
from service.testing.simulator.control_access import check_access
from service.testing.simulator.hosted.eligibility import EligibleStatus
from service.testing.simulator.hosted.progress import OrderStep, TransferStep, move, transfer
from service.testing.simulator.messages.inbound import InboundMessage
from service.testing.simulator.messages.message import MessageType
from service.testing.simulator.messages.outcomes import MessageOutcome
from service.testing.simulator.messages.payload import payload
from service.testing.simulator.rcs.capabilities import Capability
from service.testing.simulator.simulated_clock import read_iso
from service.testing.simulator.simulator import Simulator
from service.testing.simulator.tollfree.decisions import ReviewDecision, decide
from service.testing.simulator.webhooks.webhook_faults import WebhookFault

PREFIX = "/_simulator"

Control = Callable[[Simulator, Request], Awaitable[Any]]


class _Body(BaseModel):
    """The body of a control: a field that it does not know is an error, so that a typo is not taken for a script."""

    model_config = ConfigDict(extra="forbid")


class Advance(_Body):
    """By how many seconds the simulated time moves."""

    seconds: float


class TimeOfDay(_Body):
    """Which time it is from now on, as an ISO 8601 date."""

    now: str


class CapabilityOfPhone(_Body):
    """The RCS capability of a phone."""

    phone_number: PhoneNumber
    capability: Capability


class EligibilityOfNumber(_Body):
    """Whether a number can be hosted."""

    phone_number: PhoneNumber
    eligible_status: EligibleStatus


class NumberOfProfile(_Body):
    """Which messaging profile a number belongs to."""

    phone_number: PhoneNumber
    messaging_profile_id: str


class RateOfProduct(_Body):
    """The account's rate of sending, for which see `Rate`; missing fields stay."""

    product: MessageType
    per_second: float = Field(1, gt=0)
    queue_length: int = Field(0, ge=0)
    requests_per_second: int | None = Field(None, ge=1)


def routes(simulator: Simulator) -> list[Route]:
    """The routes of the controls."""
    return [
        Route(PREFIX + path, _endpoint(simulator, control), methods=[method]) for method, path, control in _CONTROLS
    ]


def _endpoint(simulator: Simulator, control: Control) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            await check_access(request, simulator.control_hosts)
            answer, status = await control(simulator, request), 200
        except ValidationError as error:
            answer, status = from_validation(error).as_json(), 400
        except ApiError as error:
            answer, status = error.as_json(), error.status
        return Response(orjson.dumps(answer), status, media_type="application/json")

    return endpoint


async def _json(request: Request) -> Any:
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise bad_request("The body must be JSON.") from None


async def _state(simulator: Simulator, _: Request) -> Any:
    return simulator.summary()


async def _public_key(simulator: Simulator, _: Request) -> Any:
    return {"public_key": simulator.public_key}


async def _requests(simulator: Simulator, request: Request) -> Any:
    found = simulator.request_log.matching(request.query_params.get("method"), request.query_params.get("path"))
    return [asdict(entry) for entry in found]


async def _ownership_codes(simulator: Simulator, request: Request) -> Any:
    return [asdict(code) for code in simulator.account.ownership_codes.of_order(request.path_params["id"])]


async def _reset(simulator: Simulator, _: Request) -> Any:
    await simulator.background.cancelled()
    simulator.reset()
    return simulator.summary()


async def _add_fault(simulator: Simulator, request: Request) -> Any:
    simulator.add_fault(Fault.model_validate(await _json(request)))
    return simulator.summary()


async def _add_webhook_fault(simulator: Simulator, request: Request) -> Any:
    simulator.add_webhook_fault(WebhookFault.model_validate(await _json(request)))
    return simulator.summary()


async def _clear_faults(simulator: Simulator, _: Request) -> Any:
    simulator.clear_faults()
    return simulator.summary()


async def _advance(simulator: Simulator, request: Request) -> Any:
    seconds = Advance.model_validate(await _json(request)).seconds
    try:
        simulator.advance(seconds)
    except ValueError:
        raise bad_request("The time must stay between 1970 and 9999.", "/seconds") from None
    return simulator.summary()


async def _set_clock(simulator: Simulator, request: Request) -> Any:
    now = TimeOfDay.model_validate(await _json(request)).now
    try:
        simulator.clock.set(read_iso(now))
    except ValueError:
        raise bad_request("The time must be an ISO 8601 date between 1970 and 9999.", "/now") from None
    return simulator.summary()


async def _set_outcome(simulator: Simulator, request: Request) -> Any:
    simulator.account.outcomes.set(MessageOutcome.model_validate(await _json(request)))
    return simulator.summary()


async def _set_capability(simulator: Simulator, request: Request) -> Any:
    phone = CapabilityOfPhone.model_validate(await _json(request))
    simulator.account.capabilities.set(phone.phone_number, phone.capability)
    return simulator.summary()


async def _set_eligibility(simulator: Simulator, request: Request) -> Any:
    number = EligibilityOfNumber.model_validate(await _json(request))
    simulator.account.eligibility[number.phone_number] = number.eligible_status
    return simulator.summary()


async def _assign_number(simulator: Simulator, request: Request) -> Any:
    number = NumberOfProfile.model_validate(await _json(request))
    if simulator.account.profiles.find(number.messaging_profile_id) is None:
        raise not_found("There is no such messaging profile.")
    simulator.account.profiles.assign(number.phone_number, number.messaging_profile_id)
    return simulator.summary()


async def _set_rate(simulator: Simulator, request: Request) -> Any:
    rate = RateOfProduct.model_validate(await _json(request))
    simulator.account.rates.change(rate.product, **rate.model_dump(exclude={"product"}, exclude_unset=True))
    return simulator.summary()


async def _receive(simulator: Simulator, request: Request) -> Any:
    return {"data": payload(simulator.receive(InboundMessage.model_validate(await _json(request))))}


async def _move_order(simulator: Simulator, request: Request) -> Any:
    step = OrderStep.model_validate(await _json(request))
    return {"data": move(simulator.account, request.path_params["id"], step).as_json()}


async def _transfer_order(simulator: Simulator, request: Request) -> Any:
    step = TransferStep.model_validate(await _json(request))
    return {"data": transfer(simulator.account, request.path_params["id"], step).as_json()}


async def _decide(simulator: Simulator, request: Request) -> Any:
    decision = ReviewDecision.model_validate(await _json(request))
    return decide(simulator.account, request.path_params["id"], decision).as_json()


_CONTROLS: tuple[tuple[str, str, Control], ...] = (
    ("GET", "/state", _state),
    ("GET", "/public_key", _public_key),
    ("GET", "/requests", _requests),
    ("GET", "/hosted_number_orders/{id}/ownership_codes", _ownership_codes),
    ("POST", "/reset", _reset),
    ("POST", "/faults", _add_fault),
    ("POST", "/webhook_faults", _add_webhook_fault),
    ("DELETE", "/faults", _clear_faults),
    ("POST", "/advance", _advance),
    ("POST", "/clock", _set_clock),
    ("POST", "/outcomes", _set_outcome),
    ("POST", "/capabilities", _set_capability),
    ("POST", "/eligibility", _set_eligibility),
    ("POST", "/numbers", _assign_number),
    ("POST", "/rates", _set_rate),
    ("POST", "/inbound", _receive),
    ("POST", "/hosted_number_orders/{id}/steps", _move_order),
    ("POST", "/hosted_number_orders/{id}/transfer", _transfer_order),
    ("POST", "/verification_requests/{id}/decisions", _decide),
)
