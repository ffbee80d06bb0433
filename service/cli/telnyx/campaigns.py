"""`ringback campaigns`."""

from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer
from redis.exceptions import RedisError
from telnyx import APIStatusError, AsyncTelnyx

from service.cli.connections import load_for_change, with_redis
from service.cli.masked_output import print_json, show_list, shown
from service.cli.options import JsonOption, RevealOption, YesOption, e164
from service.cli.output import confirm, fail, say
from service.cli.telnyx.brands import brand
from service.cli.telnyx.campaign_changes import deactivate, submit, unassign
from service.cli.telnyx.session import with_telnyx
from service.outbound.errors import classify_error
from service.processes.data_folder import NotRunning
from service.registrations.status_changes import Known
from service.registrations.ten_dlc import kinds, overview
from service.registrations.ten_dlc.overview import Details, Overview
from service.security.masked_urls import without_password
from service.store.facts.remembered import all_known
from service.store.store import Store

HELP = "10DLC brands, campaigns and the numbers that send for them."
campaigns = typer.Typer(help=HELP, no_args_is_help=True)

CampaignId = Annotated[str, typer.Argument(metavar="ID", help="A campaign's id, at Telnyx or in the registry.")]
Numbers = Annotated[list[str], typer.Argument(help="Numbers such as +13125550001.", parser=e164)]
_MAY_BE_DORMANT = (400, 409, 422)
"""Answers that the first attempt at a dormant campaign may get. Telnyx does not publish which."""


@campaigns.command("list")
def list_campaigns(
    *,
    status: Annotated[str | None, typer.Option(help="Only those of this status, such as TELNYX_FAILED.")] = None,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """List all brands, their campaigns, and the campaigns that other providers share.

    Exit codes: 0 listed, 1 Telnyx refuses or cannot be reached, 2 bad usage.
    """
    found = [each for each in with_telnyx(partial(overview.overview, known=_known())) if status in {None, each.status}]
    if as_json:
        print_json([each.as_json() for each in found], reveal=reveal)
        return
    columns = "id, registry id, what, status, numbers"
    show_list(found, columns, _row, "There are no such brands and campaigns.", as_json=False, reveal=reveal)
    for each in found:
        _say_remedy(each)


@campaigns.command("show")
def show(campaign_id: CampaignId, *, as_json: JsonOption = False, reveal: RevealOption = False) -> None:
    """Show a campaign with its carriers, numbers and remedy, or the registry's feedback on a brand.

    Exit codes: 0 shown, 1 there is none, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    found = with_telnyx(partial(overview.details_of, campaign_id=campaign_id, known=_known()))
    if found is None:
        _show_brand(campaign_id, as_json=as_json, reveal=reveal)
    elif as_json:
        print_json(asdict(found), reveal=reveal)
    else:
        _show_details(found, reveal=reveal)


campaigns.command("submit")(submit)


@campaigns.command("appeal")
def appeal(
    campaign_id: CampaignId,
    *,
    reason: Annotated[str, typer.Option(help="Your correction, and the reason to reconsider the campaign.")],
    yes: YesOption = False,
) -> None:
    """Appeal against a rejection by Telnyx or a carrier. The campaign goes back into review.

    Exit codes: 0 appealed, 1 it cannot be, not confirmed, or Telnyx refuses, 2 bad usage.
    """
    if not reason.strip():
        raise typer.BadParameter("--reason must say what was corrected")
    load_for_change()
    campaign = _existing(campaign_id).campaign
    if campaign.shared:
        fail(f"{campaign.id} is another provider's campaign: only that provider can have it reviewed again, by a nudge")
    if campaign.status not in kinds.APPEALABLE:
        fail(f"{campaign.id} is {campaign.status}: only TELNYX_FAILED and MNO_REJECTED can be appealed")
    confirm(f"Appeal for campaign {campaign.id} ({campaign.status})?", yes=yes)
    answer = with_telnyx(
        lambda telnyx: telnyx.messaging_10dlc.campaign.submit_appeal(campaign.id, appeal_reason=reason)
    )
    say(f"appealed: {campaign.id}, {answer.appealed_at or 'at an unknown time'}")
    say(f"→ ringback campaigns show {campaign.id}")


@campaigns.command("assign")
def assign(campaign_id: CampaignId, numbers: Numbers, *, yes: YesOption = False, reveal: RevealOption = False) -> None:
    """Assign numbers to a campaign. A dormant one refuses the first attempt, so that each is tried twice.

    Exit codes: 0 all assigned or being assigned, 1 some not, not confirmed, or Telnyx refuses, 2 bad usage.
    """
    load_for_change()
    campaign = _existing(campaign_id).campaign
    names = ", ".join(shown(each, reveal=reveal) for each in numbers)
    confirm(f"Assign {names} to campaign {campaign.id} ({campaign.name}, {campaign.status})?", yes=yes)
    failed = [each for each in numbers if not _assign(campaign.id, each, reveal=reveal)]
    if failed:
        raise typer.Exit(1)
    say(f"→ ringback campaigns show {campaign.id}")


campaigns.command("unassign")(unassign)
campaigns.command("deactivate")(deactivate)
campaigns.add_typer(brand, name="brand")


def _assign(campaign_id: str, number: str, *, reveal: bool) -> bool:
    """Assign one number, again if a dormant campaign may have refused it. Return whether it is on its way."""

    async def attempt(telnyx: AsyncTelnyx) -> str:
        api = telnyx.messaging_10dlc.phone_number_campaigns
        try:
            answer = await api.create(campaign_id=campaign_id, phone_number=number)
        except APIStatusError as error:
            if error.status_code not in _MAY_BE_DORMANT:
                raise
            say(f"{shown(number, reveal=reveal)}: {classify_error(error).detail}. Trying once more", err=True)
            answer = await api.create(campaign_id=campaign_id, phone_number=number)
        return answer.assignment_status or "unknown"

    try:
        state = with_telnyx(attempt)
    except typer.Exit:
        return False
    say(f"{shown(number, reveal=reveal)}: {state}")
    return state != "FAILED_ASSIGNMENT"


def _known() -> dict[str, Known]:
    """Return the last known states of brands and campaigns, or none where no Ringback runs here."""

    async def read(store: Store) -> dict[str, Known]:
        found = {**await all_known(store, kinds.BRAND), **await all_known(store, kinds.CAMPAIGN)}
        return {name: Known.parse(value) for name, value in found.items()}

    try:
        return with_redis(read)
    except (NotRunning, RedisError):
        return {}


def _existing(campaign_id: str) -> Details:
    found = with_telnyx(partial(overview.details_of, campaign_id=campaign_id, known=_known()))
    return found if found is not None else fail(f"{campaign_id} is no campaign: see `ringback campaigns list`")


def _row(each: Overview) -> tuple[str, ...]:
    what = "shared campaign" if each.shared else each.kind
    numbers = "-" if each.numbers is None else str(each.numbers)
    return each.id, each.tcr_id or "-", f"{what}: {each.name}", each.status, numbers


def _show_details(found: Details, *, reveal: bool) -> None:
    show_list([found.campaign], "id, registry id, what, status, numbers", _row, "", as_json=False, reveal=reveal)
    if found.campaign.reason:
        say("", f"reason: {found.campaign.reason}")
    say("", f"webhooks: {without_password(found.webhook_url) if found.webhook_url else 'unset'}")
    for name, state in found.carriers.items():
        say(f"{name}: {state}")
    for each in found.numbers:
        say(f"{shown(str(each['phoneNumber']), reveal=reveal)}: {_state_of(each)}")
    _say_remedy(found.campaign)


def _state_of(number: dict[str, object]) -> str:
    mapped = {"T-Mobile": "tmobileNumberMappingStatus", "others": "nonTmobileNumberMappingStatus"}
    told = [f"{name} {number[field]}" for name, field in mapped.items() if number.get(field)]
    told += [str(number["failureReasons"])] if number.get("failureReasons") else []
    return str(number.get("assignmentStatus") or "unknown") + (f" ({', '.join(told)})" if told else "")


def _show_brand(brand_id: str, *, as_json: bool, reveal: bool) -> None:
    told = with_telnyx(partial(overview.feedback_on, brand_id=brand_id))
    if told is None:
        fail(f"{brand_id} is no campaign and no brand: see `ringback campaigns list`")
    if as_json:
        print_json({"kind": "brand", "id": brand_id, "feedback": told}, reveal=reveal)
    else:
        say(*(told or [f"The registry has nothing against brand {brand_id}."]))


def _say_remedy(each: Overview) -> None:
    if each.remedy is not None:
        say("", f"{each.kind} {each.id}: {each.remedy.text}", f"→ {each.remedy.mend}")
