"""`ringback campaigns submit`, `deactivate` and `unassign`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from telnyx import AsyncTelnyx

from service.cli.connections import load_for_change
from service.cli.masked_output import shown
from service.cli.options import RevealOption, YesOption, e164
from service.cli.output import BAD_USAGE, confirm, fail, say
from service.cli.telnyx.session import with_telnyx
from service.cli.telnyx.toml_file import read_toml
from service.registrations.submission_fields import InvalidSubmission, read_table
from service.registrations.ten_dlc import overview, readings
from service.registrations.ten_dlc.duplicates import same_campaign
from service.registrations.ten_dlc.submissions import TenDlcCampaign, WebhookTable
from service.security.masked_urls import without_password
from service.settings import Settings

T = TypeVar("T", bound=WebhookTable)

_ON_THE_WAY = ("PENDING_UNASSIGNMENT", "FAILED_UNASSIGNMENT")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A TOML file with the fields.")]
AgainOption = Annotated[bool, typer.Option("--again", help="Also where an equal one is there.")]


def submit(file: FileArgument, *, again: AgainOption = False, yes: YesOption = False) -> None:
    """Check a campaign field by field, and submit it for review.

    Without a webhook URL in the file, it gets RINGBACK_PUBLIC_URL.

    Exit codes: 0 submitted, 1 refused or not confirmed, 2 the file is invalid and nothing was sent.
    """
    campaign = checked(TenDlcCampaign, file, load_for_change())
    found = None if again else with_telnyx(partial(same_campaign, wanted=campaign))
    if found is not None:
        fail(f"the brand has this campaign already: {found}. --again submits another one")
    tell_webhooks(campaign)
    confirm(f"Submit a campaign {campaign.usecase} of brand {campaign.brand_id}?", yes=yes)
    created = once(
        lambda: with_telnyx(lambda telnyx: telnyx.messaging_10dlc.campaign_builder.submit(**campaign.arguments()))
    )
    say(f"submitted: {created.campaign_id}, {created.campaign_status or created.submission_status or 'in review'}")
    say(f"→ ringback campaigns show {created.campaign_id}")


def deactivate(
    campaign_id: Annotated[str, typer.Argument(metavar="ID", help="A campaign's id, at Telnyx or in the registry.")],
    *,
    yes: YesOption = False,
) -> None:
    """End a campaign for good. Its numbers lose it, and can send nothing.

    Exit codes: 0 deactivated, 1 there is none, not confirmed, or Telnyx refuses, 2 bad usage.
    """
    load_for_change()
    found = with_telnyx(partial(overview.details_of, campaign_id=campaign_id, known={}))
    if found is None:
        fail(f"{campaign_id} is no campaign: see `ringback campaigns list`")
    campaign = found.campaign
    if campaign.shared:
        fail(f"{campaign.id} is another provider's campaign: only that provider can end it")
    of = f"{campaign.name}, {campaign.status}, {len(found.numbers)} numbers"
    confirm(f"End campaign {campaign.id} ({of}) for good?", yes=yes)
    with_telnyx(lambda telnyx: telnyx.messaging_10dlc.campaign.deactivate(campaign.id))
    say(f"deactivated: {campaign.id}")


def unassign(
    numbers: Annotated[list[str], typer.Argument(help="Numbers such as +13125550001.", parser=e164)],
    *,
    yes: YesOption = False,
    reveal: RevealOption = False,
) -> None:
    """Take numbers out of their campaigns. Carriers then take nothing of them.

    Exit codes: 0 all are out, 1 some are in none, not confirmed, or Telnyx refuses, 2 bad usage.
    """
    load_for_change()

    async def campaigns_of(telnyx: AsyncTelnyx) -> dict[str, str]:
        found = {each: await readings.find_number(telnyx, each) for each in numbers}
        return {number: str(row.campaign_id) for number, row in found.items() if row is not None}

    campaigns = with_telnyx(campaigns_of)
    for number in numbers:
        if number not in campaigns:
            say(f"{shown(number, reveal=reveal)}: in no campaign", err=True)
    if not campaigns:
        raise typer.Exit(1)
    names = ", ".join(f"{shown(number, reveal=reveal)} out of {campaign}" for number, campaign in campaigns.items())
    confirm(f"Take {names}?", yes=yes)
    failed = [each for each in campaigns if not _unassign(each, reveal=reveal)]
    if failed or len(campaigns) < len(set(numbers)):
        raise typer.Exit(1)


def _unassign(number: str, *, reveal: bool) -> bool:
    try:
        answer = with_telnyx(lambda telnyx: telnyx.messaging_10dlc.phone_number_campaigns.delete(number))
    except typer.Exit:
        return False
    # The answer may still show the assignment.
    state = answer.assignment_status if answer.assignment_status in _ON_THE_WAY else "unassigned"
    say(f"{shown(number, reveal=reveal)}: {state}")
    return state != "FAILED_UNASSIGNMENT"


def checked(table: type[T], file: Path, settings: Settings) -> T:
    """Return the content of a file, with our webhook URLs where it names none.

    The command ends with 2 and a line for each field that does not fit.
    """
    try:
        read = read_table(table, read_toml(file))
    except InvalidSubmission as error:
        fail(*(f"{file}: {field}: {said}" for field, said in error.problems.items()), code=BAD_USAGE)
    if read.webhook_url is not None or settings.public_url is None:
        return read
    ours = {"webhook_url": settings.public_url, "webhook_failover_url": settings.failover_url}
    return read.model_copy(update=ours)


def tell_webhooks(submission: WebhookTable) -> None:
    """Say where the webhooks of a submission go."""
    url = submission.webhook_url
    if url is None:
        say("without a webhook URL Ringback learns of changes by its poll alone: set RINGBACK_PUBLIC_URL", err=True)
    else:
        say(f"webhooks: {without_password(url)}")


R = TypeVar("R")


def once(create: Callable[[], R]) -> R:
    """Return the result of a creation that Telnyx knows no key for. Where it fails, say how to look for it."""
    try:
        return create()
    except typer.Exit:
        say("Where no answer came, it may be there all the same: see `ringback campaigns list` first.", err=True)
        raise
