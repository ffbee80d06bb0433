"""The numbers that send for a campaign: the operations on their assignments, and scripted steps."""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from service.testing.simulator.api.api_error import bad_request
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import ControlBody, PhoneNumber, RequestBody
from service.testing.simulator.resources import Resources
from service.testing.simulator.simulated_clock import iso
from service.testing.simulator.ten_dlc.campaigns import REGISTERED, Campaign
from service.testing.simulator.ten_dlc.carriers import Carrier
from service.testing.simulator.ten_dlc.events import Shape, send_update
from service.testing.simulator.ten_dlc.records import records

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

ASSIGNMENT_TIME = 60.0
"""Simulated seconds until a number is assigned."""
NOT_REGISTERED = ("40010", "Not 10DLC registered", "The sending number is not 10DLC-registered but must be.")
"""Source: Telnyx's page on messaging error codes."""

AssignmentStatus = Literal[
    "FAILED_ASSIGNMENT", "PENDING_ASSIGNMENT", "ASSIGNED", "PENDING_UNASSIGNMENT", "FAILED_UNASSIGNMENT"
]


@dataclass(frozen=True, slots=True)
class CampaignNumber:
    """One number of a campaign. `lost_at` names carriers whose mapping of it failed."""

    phone_number: str
    campaign: Campaign
    created_at: float
    updated_at: float
    status: AssignmentStatus = "PENDING_ASSIGNMENT"
    failure_reasons: str | None = None
    lost_at: frozenset[str] = frozenset()

    def as_json(self) -> dict[str, Any]:
        """Return the assignment as GET shows it. Source: SDK 4.189, `PhoneNumberCampaign`."""
        campaign, mapped = self.campaign, "ADDED" if self.status == "ASSIGNED" else "PENDING"
        own = {} if campaign.shared else {"telnyxCampaignId": campaign.id, "brandId": campaign.brand_id}
        return {
            "phoneNumber": self.phone_number,
            "campaignId": campaign.id,
            "tcrCampaignId": campaign.tcr_id,
            **own,
            "assignmentStatus": self.status,
            "failureReasons": self.failure_reasons,
            "tmobileNumberMappingStatus": "FAILED" if "T-Mobile" in self.lost_at else mapped,
            "nonTmobileNumberMappingStatus": "FAILED" if self.lost_at - {"T-Mobile"} else mapped,
            "createdAt": iso(self.created_at),
            "updatedAt": iso(self.updated_at),
        }


class CampaignNumbers(Resources[CampaignNumber]):
    """The assignments by number. One that was removed is remembered as lost."""

    def __init__(self) -> None:
        super().__init__(lambda each: each.phone_number)
        self._ever: set[str] = set()

    def put(self, item: CampaignNumber) -> None:
        """Add an assignment, or replace that of its number."""
        self._ever.add(item.phone_number)
        super().put(item)

    def of_campaign(self, campaign_id: str) -> list[CampaignNumber]:
        """Return the assignments to one campaign."""
        return [each for each in self if each.campaign.id == campaign_id]

    def was_lost(self, phone_number: str) -> bool:
        """Return whether a number was assigned earlier, and is not now."""
        return phone_number in self._ever and self.find(phone_number) is None


class Assignment(RequestBody):
    """The body of an assignment. Source: SDK 4.189, `PhoneNumberCampaignCreateParams`."""

    campaignId: str  # noqa: N815 - Telnyx's name
    phoneNumber: PhoneNumber  # noqa: N815 - Telnyx's name


class NumberStep(ControlBody):
    """A step of a number's assignment, and the form of the webhook (null: none).

    With `carrier`, the mapping at that carrier fails (FAILED), or is there again (ADDED).
    """

    status: Literal["ASSIGNED", "FAILED_ASSIGNMENT", "DELETED", "FAILED", "ADDED"]
    reason: str | None = None
    carrier: Carrier | None = None
    shape: Shape | None = "enveloped"


def assign_number(account: "Account", call: OperationCall) -> Answer:
    """Assign a number, which takes a minute. The first attempt at a dormant campaign reactivates it and fails."""
    request = call.read(Assignment)
    campaign, now = account.campaigns.known(request.campaignId), account.clock.now()
    if campaign.dormant:
        account.campaigns.put(replace(campaign, dormant=False))
        raise bad_request("The campaign is dormant and is being reactivated. Assign the number again.", "/campaignId")
    if campaign.status not in REGISTERED:
        raise bad_request("The campaign is not approved yet.", "/campaignId")
    number = CampaignNumber(request.phoneNumber, campaign, now, now)
    account.campaign_numbers.put(number)
    account.background.start(partial(_complete, account, number))
    return Answer(number.as_json())


def list_numbers(account: "Account", call: OperationCall) -> Answer:
    """List the assignments that fit the filters."""
    names = {"telnyx_campaign_id": "telnyxCampaignId", "tcr_campaign_id": "tcrCampaignId", "telnyx_brand_id": "brandId"}
    wanted = {field: call.query.get(f"filter[{name}]") for name, field in names.items()}
    rows = (each.as_json() for each in account.campaign_numbers)
    return records(call, (row for row in rows if all(wanted[name] in (None, row.get(name)) for name in wanted)))


def retrieve_number(account: "Account", call: OperationCall) -> Answer:
    """Show the assignment of one number."""
    return Answer(account.campaign_numbers.known(call.parameters["phone_number"]).as_json())


def delete_number(account: "Account", call: OperationCall) -> Answer:
    """Take a number from its campaign."""
    number = account.campaign_numbers.known(call.parameters["phone_number"])
    move_number(account, number.phone_number, NumberStep(status="DELETED"))
    return Answer(number.as_json())


def move_number(account: "Account", phone_number: str, step: NumberStep) -> CampaignNumber:
    """Take a step, and send the webhook to the URLs of the number's campaign.

    Raises:
        ApiError: 404, the number has no campaign.
    """
    number = account.campaign_numbers.known(phone_number)
    moved = replace(number, updated_at=account.clock.now(), **_after(number, step))
    if step.status == "DELETED":
        account.campaign_numbers.remove(phone_number)
    else:
        account.campaign_numbers.put(moved)
    ids = {"campaignId": number.campaign.id, "tcrCampaignId": number.campaign.tcr_id, "phoneNumber": phone_number}
    send_update(account, "phone_number", ids | _told(step), number.campaign.destination, step.shape)
    return moved


def refuses(account: "Account", sender: str, recipient: str) -> bool:
    """Return whether the recipient's carrier refuses a sender for its campaign. Numbers without one are never asked."""
    number, carrier = account.campaign_numbers.find(sender), account.carriers.of(recipient)
    if number is None:
        return account.campaign_numbers.was_lost(sender)
    campaign = account.campaigns.find(number.campaign.id)
    taken = campaign is not None and campaign.takes(carrier) and carrier not in number.lost_at
    return not (taken and number.status == "ASSIGNED")


def _after(number: CampaignNumber, step: NumberStep) -> dict[str, Any]:
    if step.carrier is not None:
        named = frozenset({step.carrier})
        return {"lost_at": number.lost_at | named if step.status == "FAILED" else number.lost_at - named}
    if step.status in ("FAILED", "FAILED_ASSIGNMENT"):
        return {"status": "FAILED_ASSIGNMENT", "failure_reasons": step.reason}
    return {"status": "ASSIGNED", "failure_reasons": None, "lost_at": frozenset()}


def _told(step: NumberStep) -> dict[str, Any]:
    reasons = [step.reason] if step.reason else []
    if step.status == "ASSIGNED":
        return {"type": "ASSIGNMENT", "status": "success", "reasons": []}
    if step.status == "FAILED_ASSIGNMENT":
        return {"type": "ASSIGNMENT", "status": "failed", "reasons": reasons}
    if step.status == "DELETED":
        return {"type": "DELETION", "status": "success", "reasons": []}
    return {"type": "STATUS_UPDATE", "status": step.status}


async def _complete(account: "Account", begun: CampaignNumber) -> None:
    await account.clock.until(begun.created_at + ASSIGNMENT_TIME)
    if account.campaign_numbers.find(begun.phone_number) == begun:
        move_number(account, begun.phone_number, NumberStep(status="ASSIGNED"))
