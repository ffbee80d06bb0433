"""`ringback campaigns brand`."""

from functools import partial
from typing import Annotated, Any

import typer
from telnyx import APIStatusError, AsyncTelnyx, omit

from service.cli.connections import load_for_change
from service.cli.masked_output import print_json, say_fields, show_list
from service.cli.on_record import put_on_record
from service.cli.options import JsonOption, RevealOption, YesOption
from service.cli.output import confirm, fail, say
from service.cli.rich_output import Cell
from service.cli.telnyx.campaign_changes import AgainOption, FileArgument, checked, once, tell_webhooks
from service.cli.telnyx.session import with_telnyx
from service.registrations.ten_dlc import readings
from service.registrations.ten_dlc.duplicates import same_brand
from service.registrations.ten_dlc.submissions import TenDlcBrand

PIN = "@OTP_PIN@"
"""Stands for the code in the text of an SMS. Source: SDK 4.189, `brand.trigger_sms_otp`."""

brand = typer.Typer(help="10DLC brands: create, vet and verify them.", no_args_is_help=True)

BrandId = Annotated[str, typer.Argument(metavar="ID", help="A brand's id, at Telnyx or in the registry.")]
Provider = Annotated[str, typer.Option(help="The provider of the vetting, such as AEGIS.")]


@brand.command("create")
def create(file: FileArgument, *, again: AgainOption = False, yes: YesOption = False) -> None:
    """Check a brand field by field, and register it. Telnyx takes 4 dollars for it.

    Without a webhook URL in the file, it gets RINGBACK_PUBLIC_URL.

    Exit codes: 0 registered, 1 refused or not confirmed, 2 the file is invalid and nothing was sent.
    """
    wanted = checked(TenDlcBrand, file, load_for_change())
    found = None if again else with_telnyx(partial(same_brand, wanted=wanted))
    if found is not None:
        fail(
            f"there is a brand {wanted.display_name} ({wanted.entity_type}) already: {found}. --again adds another one"
        )
    tell_webhooks(wanted)
    confirm(f"Register the brand {wanted.display_name}? Telnyx takes 4 dollars, which it does not give back.", yes=yes)
    created = once(lambda: with_telnyx(lambda telnyx: telnyx.messaging_10dlc.brand.create(**wanted.arguments())))
    say(f"registered: {created.brand_id}, {created.status or 'REGISTRATION_PENDING'}")
    if wanted.entity_type == "SOLE_PROPRIETOR":
        say(f"→ ringback campaigns brand send-code {created.brand_id}")
    else:
        say(f"→ ringback campaigns show {created.brand_id}")


@brand.command("delete")
def delete(brand_id: BrandId, *, yes: YesOption = False) -> None:
    """Delete a brand without campaigns.

    Exit codes: 0 deleted, 1 there is none, it has campaigns, not confirmed, or Telnyx refuses, 2 bad usage.
    """
    found, name = _to_change(brand_id)
    if found.assigned_campaigns_count:
        fail(f"{name} has {found.assigned_campaigns_count:.0f} campaigns: end them by `ringback campaigns deactivate`")
    confirm(f"Delete {name}?", yes=yes)
    with_telnyx(lambda telnyx: telnyx.messaging_10dlc.brand.delete(found.brand_id))
    say(f"deleted: {found.brand_id}")


@brand.command("revet")
def revet(brand_id: BrandId, *, yes: YesOption = False) -> None:
    """Have the registry verify a brand once more, after its fields were corrected.

    It is possible once after the registration, and then every three months.

    Exit codes: 0 under way, 1 there is none, not confirmed, or Telnyx refuses, 2 bad usage.
    """
    found, name = _to_change(brand_id)
    confirm(f"Have {name} verified once more? The next time is in three months.", yes=yes)
    after = with_telnyx(lambda telnyx: telnyx.messaging_10dlc.brand.revet(found.brand_id))
    say(f"{found.brand_id}: {after.identity_status or 'under way'}")


@brand.command("vettings")
def vettings(brand_id: BrandId, *, as_json: JsonOption = False, reveal: RevealOption = False) -> None:
    """List the vettings of a brand by outside providers, which raise its limits.

    Exit codes: 0 listed, 1 there is no such brand, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    found = with_telnyx(lambda telnyx: telnyx.messaging_10dlc.brand.external_vetting.list(brand_id))
    rows = [_without_token(each, reveal=reveal) for each in found]
    columns, none = "id, provider, class, ordered, ended, score", "There are none: `brand order-vetting` orders one."
    show_list(rows, columns, _vetting_row, none, as_json=as_json, reveal=reveal)


@brand.command("order-vetting")
def order_vetting(
    brand_id: BrandId,
    *,
    provider: Provider,
    kind: Annotated[str, typer.Option("--class", help="The class of the vetting, such as STANDARD.")],
    yes: YesOption = False,
) -> None:
    """Order a vetting of a brand by an outside provider, who charges for it.

    Exit codes: 0 ordered, 1 there is none, not confirmed, or Telnyx refuses, 2 bad usage.
    """
    found, name = _to_change(brand_id)
    confirm(f"Order a vetting {kind} of {name} from {provider}? It costs money.", yes=yes)
    vetting = once(
        lambda: with_telnyx(
            lambda telnyx: telnyx.messaging_10dlc.brand.external_vetting.order(
                found.brand_id, evp_id=provider, vetting_class=kind
            )
        )
    )
    say(f"ordered: {vetting.vetting_id or '-'}", f"→ ringback campaigns brand vettings {found.brand_id}")


@brand.command("import-vetting")
def import_vetting(
    brand_id: BrandId,
    *,
    provider: Provider,
    vetting_id: Annotated[str, typer.Option("--vetting", help="The id that the provider gave it.")],
    token: Annotated[str | None, typer.Option(help="The provider's token, where it wants one.")] = None,
    yes: YesOption = False,
) -> None:
    """Import a vetting that a provider has made before.

    Exit codes: 0 imported, 1 there is none, not confirmed, or Telnyx refuses, 2 bad usage.
    """
    found, name = _to_change(brand_id)
    confirm(f"Import the vetting {vetting_id} of {name} from {provider}?", yes=yes)
    vetting = with_telnyx(
        lambda telnyx: telnyx.messaging_10dlc.brand.external_vetting.imports(
            found.brand_id, evp_id=provider, vetting_id=vetting_id, vetting_token=token or omit
        )
    )
    say(f"imported: score {'-' if vetting.vetting_score is None else vetting.vetting_score}")


@brand.command("send-code")
def send_code(
    brand_id: BrandId,
    *,
    text: Annotated[str, typer.Option(help=f"The SMS, with {PIN} for the code.")] = f"Your verification code is {PIN}",
    then: Annotated[str, typer.Option(help="The SMS after the code was given back.")] = "Thank you. You are verified.",
    yes: YesOption = False,
) -> None:
    """Send a code to the mobile phone of a sole proprietor. Without it the brand can have no campaign.

    Exit codes: 0 on its way, 1 there is none, not confirmed, or Telnyx refuses, 2 bad usage.
    """
    if PIN not in text:
        raise typer.BadParameter(f"--text: {PIN} must stand for the code")
    found, name = _to_change(brand_id)
    if found.entity_type != "SOLE_PROPRIETOR":
        fail(f"{name} is {found.entity_type}: only a SOLE_PROPRIETOR is verified by a code")
    confirm(f"Send an SMS with a code to the mobile phone of {name}?", yes=yes)
    sent = with_telnyx(
        lambda telnyx: telnyx.messaging_10dlc.brand.trigger_sms_otp(found.brand_id, pin_sms=text, success_sms=then)
    )
    say(f"on its way: {sent.reference_id}", f"→ ringback campaigns brand verify-code {found.brand_id} CODE")


@brand.command("code")
def code_status(
    subject: Annotated[str, typer.Argument(metavar="ID", help="A brand's id, or the reference that send-code gave.")],
    *,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """Show what became of a code.

    Exit codes: 0 shown, 1 none was sent, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    found = with_telnyx(partial(_code, subject=subject))
    print_json(found, reveal=reveal) if as_json else say_fields(found, reveal=reveal)


@brand.command("verify-code")
def verify_code(
    brand_id: BrandId,
    code: Annotated[str, typer.Argument(help="The code that the phone got.")],
) -> None:
    """Give back the code of a sole proprietor, which verifies the brand.

    Exit codes: 0 it is right, 1 it is not, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    load_for_change()
    put_on_record(codes=1)
    with_telnyx(lambda telnyx: telnyx.messaging_10dlc.brand.verify_sms_otp(brand_id, otp_pin=code))
    say("verified", f"→ ringback campaigns show {brand_id}")


@brand.command("resend-mail")
def resend_mail(brand_id: BrandId, *, yes: YesOption = False) -> None:
    """Send the mail once more by whose link the contact of a brand confirms it.

    Exit codes: 0 on its way, 1 there is none, not confirmed, or Telnyx refuses, 2 bad usage.
    """
    found, name = _to_change(brand_id)
    confirm(f"Send the mail to the contact of {name} once more?", yes=yes)
    with_telnyx(lambda telnyx: telnyx.messaging_10dlc.brand.resend_2fa_email(found.brand_id))
    say("on its way")


def _to_change(brand_id: str) -> tuple[Any, str]:
    """Return a brand by either id, and its name for a question. The command ends where there is none."""
    load_for_change()
    found = with_telnyx(partial(readings.find_brand, brand_id=brand_id))
    if found is None:
        fail(f"{brand_id} is no brand: see `ringback campaigns list`")
    return found, f"brand {found.brand_id} ({found.display_name})"


async def _code(telnyx: AsyncTelnyx, subject: str) -> Any:
    brands = telnyx.messaging_10dlc.brand
    try:
        return await brands.retrieve_sms_otp_status(subject)
    except APIStatusError as error:
        if error.status_code not in readings.NO_SUCH_ID:
            raise
        return await brands.get_sms_otp_by_reference(subject)


def _without_token(vetting: Any, *, reveal: bool) -> dict[str, Any]:
    """Return a vetting. Its token is a secret between the provider and the registry."""
    told: dict[str, Any] = vetting.to_dict(mode="json")
    return {name: value for name, value in told.items() if reveal or name != "vettingToken"}


def _vetting_row(vetting: dict[str, Any]) -> tuple[Cell, ...]:
    names = ("vettingId", "evpId", "vettingClass", "createDate", "vettedDate", "vettingScore")
    return tuple("-" if vetting.get(each) is None else str(vetting[each]) for each in names)
