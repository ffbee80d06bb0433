"""The operations on campaigns, our own and those that other providers share."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model

from service.testing.simulator.api.api_error import bad_request, missing_parameter
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import ControlBody, RequestBody
from service.testing.simulator.resources import existing
from service.testing.simulator.ten_dlc.campaigns import REJECTED, Campaign, shown
from service.testing.simulator.ten_dlc.carriers import MNO_IDS
from service.testing.simulator.ten_dlc.records import WebhookUrls, records
from service.testing.simulator.ten_dlc.review import begin_review

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

_TEXTS = """
embeddedLinkSample helpKeywords helpMessage messageFlow optinKeywords optinMessage optoutKeywords optoutMessage
privacyPolicyLink referenceId resellerId sample1 sample2 sample3 sample4 sample5 termsAndConditionsLink
"""
_FLAGS = """
ageGated autoRenewal directLending embeddedLink embeddedPhone numberPool subscriberHelp subscriberOptin subscriberOptout
termsAndConditions
"""
_UPDATED = "helpMessage messageFlow resellerId sample1 sample2 sample3 sample4 sample5"

_optional: dict[str, Any] = dict.fromkeys(_TEXTS.split(), (str | None, None))
_flags: dict[str, Any] = dict.fromkeys(_FLAGS.split(), (bool, False))
_updated: dict[str, Any] = dict.fromkeys(_UPDATED.split(), (str | None, None))


class _Submission(WebhookUrls):
    brandId: str  # noqa: N815 - Telnyx's name
    description: str = Field(min_length=40)
    usecase: str = Field(min_length=1)
    subUsecases: list[str] = Field(default_factory=list)  # noqa: N815 - Telnyx's name


CampaignFields = create_model("CampaignFields", __base__=_Submission, **_optional, **_flags)
"""The body of a submission. Source: SDK 4.189, `CampaignBuilderSubmitParams`."""
CampaignUpdate = create_model("CampaignUpdate", __base__=WebhookUrls, autoRenewal=(bool, True), **_updated)
"""The body of an update. Source: SDK 4.189, `CampaignUpdateParams`."""


class Appeal(RequestBody):
    """The body of an appeal. Source: SDK 4.189, `CampaignSubmitAppealParams`."""

    appeal_reason: str = Field(min_length=1)


class SharedCampaign(ControlBody):
    """A campaign that another provider shares with this account."""

    description: str = "A campaign of another provider"
    webhook_url: str | None = None


def submit_campaign(account: "Account", call: OperationCall) -> Answer:
    """Submit a campaign of a brand that is registered. It goes through its reviews by the clock."""
    fields = call.read(CampaignFields).model_dump()
    brand = account.brands.known(fields.pop("brandId"))
    if brand.status != "OK":
        raise bad_request("The brand is not registered.", "/brandId")
    now, identifiers = account.clock.now(), account.identifiers
    tcr_id = f"C{identifiers.digits('campaign', 6)}"
    campaign = Campaign(identifiers.uuid("campaign"), tcr_id, brand.id, fields, now, now)
    return Answer(shown(account, begin_review(account, campaign)))


def list_campaigns(account: "Account", call: OperationCall) -> Answer:
    """List the campaigns of one brand, which has to be given."""
    if "brandId" not in call.query:
        raise missing_parameter("/brandId")
    return records(call, (_row(account, each) for each in account.campaigns.of_brand(call.query["brandId"])))


def retrieve_campaign(account: "Account", call: OperationCall) -> Answer:
    """Show one campaign, by either id."""
    return Answer(shown(account, _own(account, call)))


def update_campaign(account: "Account", call: OperationCall) -> Answer:
    """Change the fields that are given. One that was rejected goes back into review, whatever was changed."""
    campaign, changes = _own(account, call), call.read(CampaignUpdate).model_dump(exclude_unset=True)
    changed = replace(campaign, fields=campaign.fields | changes, updated_at=account.clock.now())
    account.campaigns.put(changed)
    if campaign.status in REJECTED:
        changed = _again(account, changed)
    return Answer(shown(account, changed))


def deactivate_campaign(account: "Account", call: OperationCall) -> Answer:
    """Deactivate a campaign. Its numbers lose it. Source: SDK 4.189, `CampaignDeactivateResponse`."""
    campaign = _own(account, call)
    account.campaigns.remove(campaign.id)
    for each in account.campaign_numbers.of_campaign(campaign.id):
        account.campaign_numbers.remove(each.phone_number)
    return Answer({"time": account.clock.now(), "record_type": "10dlc_campaign"})


def submit_appeal(account: "Account", call: OperationCall) -> Answer:
    """Appeal against a rejection by Telnyx or a carrier. Source: SDK 4.189, `campaign.submit_appeal`."""
    campaign = _own(account, call)
    call.read(Appeal)
    if campaign.status not in ("TELNYX_FAILED", "MNO_REJECTED"):
        raise bad_request("Only a campaign in TELNYX_FAILED or MNO_REJECTED can be appealed.")
    _again(account, campaign)
    return Answer({"appealed_at": account.clock.iso()})


def get_operation_status(account: "Account", call: OperationCall) -> Answer:
    """Show the state at each carrier."""
    return Answer(account.campaigns.known(call.parameters["campaign_id"]).operation_status())


def get_mno_metadata(account: "Account", call: OperationCall) -> Answer:
    """Show each carrier's terms. Source: SDK 4.189, `CampaignGetMnoMetadataResponse`."""
    account.campaigns.known(call.parameters["campaign_id"])
    flags = "mnoReview mnoSupport qualify reqSubscriberHelp reqSubscriberOptin reqSubscriberOptout"
    terms = dict.fromkeys(flags.split(), True) | {"noEmbeddedLink": False, "noEmbeddedPhone": False}
    return Answer({mno: {"mno": name, "minMsgSamples": 1, **terms} for name, mno in MNO_IDS.items()})


def list_partner_campaigns(account: "Account", call: OperationCall) -> Answer:
    """List the campaigns that other providers share."""
    return records(call, (each.as_partner_json() for each in account.campaigns.shared()))


def retrieve_partner_campaign(account: "Account", call: OperationCall) -> Answer:
    """Show a campaign that another provider shares."""
    return Answer(_shared(account, call).as_partner_json())


def update_partner_campaign(account: "Account", call: OperationCall) -> Answer:
    """Change the webhook URLs, which is all that may be changed."""
    campaign, changes = _shared(account, call), call.read(WebhookUrls).model_dump(exclude_unset=True)
    changed = replace(campaign, fields=campaign.fields | changes)
    account.campaigns.put(changed)
    return Answer(changed.as_partner_json())


def share_campaign(account: "Account", shared: SharedCampaign) -> Campaign:
    """Let another provider share a campaign, which carriers take at once."""
    digits, now = partial(account.identifiers.digits, "shared campaign", 6), account.clock.now()
    fields = {"description": shared.description, "usecase": "MIXED", "webhookURL": shared.webhook_url}
    tcr_id, brand_id = f"C{digits()}", f"B{digits()}"
    campaign = Campaign(tcr_id, tcr_id, brand_id, fields, now, now, status="MNO_PROVISIONED", shared=True)
    account.campaigns.put(campaign)
    return campaign


def _again(account: "Account", campaign: Campaign) -> Campaign:
    """Put a rejected campaign back into review. Source: knowledge base, campaign appeals."""
    return begin_review(account, replace(campaign, status="TCR_ACCEPTED", failure_reasons=None, run=campaign.run + 1))


def _own(account: "Account", call: OperationCall) -> Campaign:
    found = account.campaigns.known(call.parameters["campaign_id"])
    return existing(None if found.shared else found)


def _shared(account: "Account", call: OperationCall) -> Campaign:
    found = account.campaigns.known(call.parameters["campaign_id"])
    return existing(found if found.shared else None)


def _row(account: "Account", campaign: Campaign) -> dict[str, Any]:
    numbers = len(account.campaign_numbers.of_campaign(campaign.id))
    return shown(account, campaign) | {"assignedPhoneNumbersCount": numbers}
