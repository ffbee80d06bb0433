"""The controls under `/_simulator`: scripting what happens, moving the clock, reading what happened.

They answer programs on this machine, and no web page in its browser. A page of any site can send requests to loopback.
Its own name can resolve to loopback (DNS rebinding). So the host must be loopback or named at the simulator's start.
The origin must be the simulator's own. A body must be declared as JSON, for which a page needs the server's consent.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.processes.loopback import is_loopback
from service.testing.simulator.api.api_error import ApiError, bad_request, from_validation, refusal
from service.testing.simulator.api.faults import Fault, WebhookFault
from service.testing.simulator.api.fields import ControlBody, PhoneNumber
from service.testing.simulator.hosted.numbers import EligibleStatus
from service.testing.simulator.hosted.orders import OrderStep, TransferStep, move, transfer
from service.testing.simulator.messages.inbound import InboundMessage
from service.testing.simulator.messages.lifecycle import MessageOutcome
from service.testing.simulator.messages.message import MessageType
from service.testing.simulator.messages.payload import payload
from service.testing.simulator.rcs import Capability
from service.testing.simulator.rcs_registration.brands import BrandDecision, decide_brand
from service.testing.simulator.rcs_registration.reviews import AgentDecision, decide_agent
from service.testing.simulator.simulator import Simulator
from service.testing.simulator.ten_dlc.brands import BrandStep, move_brand
from service.testing.simulator.ten_dlc.campaign_operations import SharedCampaign, share_campaign
from service.testing.simulator.ten_dlc.campaigns import shown
from service.testing.simulator.ten_dlc.carriers import CarrierOfPhone
from service.testing.simulator.ten_dlc.numbers import NumberStep, move_number
from service.testing.simulator.ten_dlc.review import CampaignStep, move_campaign
from service.testing.simulator.tollfree.requests import ReviewDecision, decide

PREFIX = "/_simulator"

Control = Callable[[Simulator, Any, Request], Any]
"""A control: from the simulator, the body and the request to the answer. None answers with the state."""


class Advance(ControlBody):
    """The seconds by which the simulated time moves."""

    seconds: float


class TimeOfDay(ControlBody):
    """The time from now on, as an ISO 8601 date."""

    now: str


class CapabilityOfPhone(ControlBody):
    """The RCS capability of a phone."""

    phone_number: PhoneNumber
    capability: Capability


class EligibilityOfNumber(ControlBody):
    """The eligibility of a number for hosting."""

    phone_number: PhoneNumber
    eligible_status: EligibleStatus


class NumberOfProfile(ControlBody):
    """The messaging profile of a number. Null: lists show it without one."""

    phone_number: PhoneNumber
    messaging_profile_id: str | None


class Balance(ControlBody):
    """The balance of the account, in US dollars."""

    balance: float = Field(allow_inf_nan=False)


class RateOfProduct(ControlBody):
    """The account's rate of sending, for which see `Rate`. Missing fields stay."""

    product: MessageType
    per_second: float = Field(1, gt=0)
    queue_length: int = Field(0, ge=0)
    requests_per_second: int | None = Field(None, ge=1)


def routes(simulator: Simulator) -> list[Route]:
    """Return the routes of the controls."""
    return [
        Route(PREFIX + path, _endpoint(simulator, model, control), methods=[method])
        for (method, path), (model, control) in CONTROLS.items()
    ]


async def check_access(request: Request, hosts: frozenset[str]) -> None:
    """Let a request pass that comes from a program on this machine, or is for one of `hosts`.

    Raises:
        ApiError: it is for another host or from another page (403), or its body is not declared as JSON (415).
    """
    host = request.headers.get("host", "")
    if not _is_known(host, hosts) or len(request.headers.getlist("host")) != 1:
        raise _refused(403, "The Host header must be loopback: give another name by --control-host.")
    origins = request.headers.getlist("origin")
    is_cross_site = request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
    if is_cross_site or any(urlsplit(each).netloc.lower() != host.lower() for each in origins):
        raise _refused(403, "The controls are not for pages of other origins.")
    declared = request.headers.get("content-type")
    media_type = (declared or "").partition(";")[0].strip().lower()
    if (declared is not None or await request.body()) and media_type != "application/json":
        raise _refused(415, "The Content-Type must be application/json, as curl --json sets it.")


def _endpoint(
    simulator: Simulator, model: type[BaseModel] | None, control: Control
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            await check_access(request, simulator.control_hosts)
            body = None if model is None else model.model_validate(_json(await request.body()))
            answer, status = control(simulator, body, request), 200
            if isinstance(answer, Awaitable):
                answer = await answer
            if answer is None:
                answer = simulator.summary()
        except ValidationError as error:
            answer, status = from_validation(error).as_json(), 400
        except ApiError as error:
            answer, status = error.as_json(), error.status
        return Response(orjson.dumps(answer), status, media_type="application/json")

    return endpoint


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise bad_request("The body must be JSON.") from None


def _is_known(host: str, hosts: frozenset[str]) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return "@" not in host and (is_loopback(name) or name in hosts)


def _refused(status: int, detail: str) -> ApiError:
    return refusal(status, "10005", "Not a request for the controls", detail)


async def _reset(simulator: Simulator, _body: None, _request: Request) -> None:
    await simulator.background.cancelled()
    simulator.reset()


def _requests(simulator: Simulator, _body: None, request: Request) -> Any:
    found = simulator.requests_to(request.query_params.get("method"), request.query_params.get("path"))
    return [asdict(entry) for entry in found]


def _ownership_codes(simulator: Simulator, _body: None, request: Request) -> Any:
    return [asdict(code) for code in simulator.ownership_codes(request.path_params["id"])]


def _advance(simulator: Simulator, body: Advance, _request: Request) -> None:
    try:
        simulator.advance(body.seconds)
    except ValueError:
        raise bad_request("The time must stay between 1970 and 9999.", "/seconds") from None


def _set_clock(simulator: Simulator, body: TimeOfDay, _request: Request) -> None:
    try:
        simulator.set_clock(body.now)
    except ValueError:
        raise bad_request("The time must be an ISO 8601 date between 1970 and 9999.", "/now") from None


def _set_eligibility(simulator: Simulator, body: EligibilityOfNumber, _request: Request) -> None:
    simulator.set_eligibility(body.phone_number, body.eligible_status)


def _assign_number(simulator: Simulator, body: NumberOfProfile, _request: Request) -> None:
    simulator.assign_number(body.phone_number, body.messaging_profile_id)


def _set_balance(simulator: Simulator, body: Balance, _request: Request) -> None:
    simulator.set_balance(body.balance)


def _set_rate(simulator: Simulator, body: RateOfProduct, _request: Request) -> None:
    simulator.set_rate(body.product, **body.model_dump(exclude={"product"}, exclude_unset=True))


def _move_order(simulator: Simulator, body: OrderStep, request: Request) -> Any:
    return {"data": move(simulator.account, request.path_params["id"], body).as_json()}


def _transfer_order(simulator: Simulator, body: TransferStep, request: Request) -> Any:
    return {"data": transfer(simulator.account, request.path_params["id"], body).as_json()}


def _decide(simulator: Simulator, body: ReviewDecision, request: Request) -> Any:
    return decide(simulator.account, request.path_params["id"], body).as_json()


def _move_brand(simulator: Simulator, body: BrandStep, request: Request) -> Any:
    return move_brand(simulator.account, request.path_params["id"], body).as_json()


def _move_campaign(simulator: Simulator, body: CampaignStep, request: Request) -> Any:
    return shown(simulator.account, move_campaign(simulator.account, request.path_params["id"], body))


def _move_number(simulator: Simulator, body: NumberStep, request: Request) -> Any:
    return move_number(simulator.account, request.path_params["phone_number"], body).as_json()


def _decide_brand(simulator: Simulator, body: BrandDecision, request: Request) -> Any:
    return decide_brand(simulator.account, request.path_params["id"], body).as_json()


def _decide_agent(simulator: Simulator, body: AgentDecision, request: Request) -> Any:
    return decide_agent(simulator.account, request.path_params["id"], body).as_json()


CONTROLS: dict[tuple[str, str], tuple[type[BaseModel] | None, Control]] = {
    ("GET", "/state"): (None, lambda _, _body, _request: None),
    ("GET", "/public_key"): (None, lambda simulator, _body, _request: {"public_key": simulator.public_key}),
    ("GET", "/requests"): (None, _requests),
    ("GET", "/hosted_number_orders/{id}/ownership_codes"): (None, _ownership_codes),
    ("POST", "/reset"): (None, _reset),
    ("POST", "/faults"): (Fault, lambda simulator, body, _: simulator.add_fault(body)),
    ("POST", "/webhook_faults"): (WebhookFault, lambda simulator, body, _: simulator.add_webhook_fault(body)),
    ("DELETE", "/faults"): (None, lambda simulator, _body, _request: simulator.clear_faults()),
    ("POST", "/advance"): (Advance, _advance),
    ("POST", "/clock"): (TimeOfDay, _set_clock),
    ("POST", "/outcomes"): (MessageOutcome, lambda simulator, body, _: simulator.account.outcomes.set(body)),
    ("POST", "/capabilities"): (
        CapabilityOfPhone,
        lambda simulator, body, _: simulator.set_capability(body.phone_number, body.capability),
    ),
    ("POST", "/eligibility"): (EligibilityOfNumber, _set_eligibility),
    ("POST", "/numbers"): (NumberOfProfile, _assign_number),
    ("POST", "/balance"): (Balance, _set_balance),
    ("POST", "/rates"): (RateOfProduct, _set_rate),
    ("POST", "/inbound"): (InboundMessage, lambda simulator, body, _: {"data": payload(simulator.receive(body))}),
    ("POST", "/hosted_number_orders/{id}/steps"): (OrderStep, _move_order),
    ("POST", "/hosted_number_orders/{id}/transfer"): (TransferStep, _transfer_order),
    ("POST", "/verification_requests/{id}/decisions"): (ReviewDecision, _decide),
    ("POST", "/brands/{id}/steps"): (BrandStep, _move_brand),
    ("POST", "/campaigns/{id}/steps"): (CampaignStep, _move_campaign),
    ("POST", "/campaign_numbers/{phone_number}/steps"): (NumberStep, _move_number),
    ("POST", "/shared_campaigns"): (
        SharedCampaign,
        lambda simulator, body, _: share_campaign(simulator.account, body).as_partner_json(),
    ),
    ("POST", "/carriers"): (
        CarrierOfPhone,
        lambda simulator, body, _: simulator.account.carriers.set(body.phone_number, body.carrier),
    ),
    ("POST", "/rcs_brands/{id}/decisions"): (BrandDecision, _decide_brand),
    ("POST", "/rcs_agents/{id}/decisions"): (AgentDecision, _decide_agent),
}
"""The body's model and the function of each control, by method and path."""
