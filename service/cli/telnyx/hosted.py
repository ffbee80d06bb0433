"""`ringback hosted`."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from telnyx import AsyncTelnyx, omit
from telnyx.types.messaging_hosted_number_order_check_eligibility_response import PhoneNumber as Eligibility
from telnyx.types.shared import MessagingHostedNumberOrder, PhoneNumberWithMessagingSettings

from service.cli.connections import load_for_change
from service.cli.masked_output import print_json, show_list, shown, shown_within
from service.cli.on_record import put_on_record
from service.cli.options import JsonOption, RevealOption, YesOption, e164
from service.cli.output import confirm, fail, say
from service.cli.telnyx.session import with_telnyx
from service.registrations import hosted_numbers

HELP = "Numbers that stay with their carrier while Telnyx takes over their messages."
hosted = typer.Typer(help=HELP, no_args_is_help=True)

Numbers = Annotated[list[str], typer.Argument(help="Numbers such as +13125550001.", parser=e164)]
OrderId = Annotated[str, typer.Argument(help="The order's id, from `ringback hosted list`.")]
HostedNumberId = Annotated[str, typer.Argument(help="A hosted number, or its id.")]
Document = typer.Option(help="A PDF file.", exists=True, dir_okay=False, readable=True)


@hosted.command("list")
def list_hosted(
    *,
    status: Annotated[str | None, typer.Option(help="Only orders of this status.")] = None,
    numbers: Annotated[bool, typer.Option("--numbers", help="List hosted numbers, not orders.")] = False,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """List all orders or, with --numbers, all hosted numbers.

    Exit codes: 0 listed, 1 Telnyx refuses or cannot be reached, 2 bad usage.
    """
    if numbers:
        _show_numbers(with_telnyx(hosted_numbers.hosted_numbers), as_json=as_json, reveal=reveal)
    else:
        orders = [each for each in with_telnyx(hosted_numbers.orders) if status in {None, each.status}]
        _show_orders(orders, as_json=as_json, reveal=reveal)


@hosted.command("show")
def show(
    order_or_number: Annotated[str, typer.Argument(help="An order's id, a hosted number, or its id.")],
    *,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """Show an order with its numbers and its next step, or one hosted number with its settings.

    Exit codes: 0 shown, 1 there is none, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    is_number = order_or_number.startswith("+")
    order = None if is_number else with_telnyx(partial(hosted_numbers.find, order_id=order_or_number))
    number = None if order else with_telnyx(partial(hosted_numbers.find_number, number=order_or_number))
    if as_json and (order or number):
        print_json(order or number, reveal=reveal)
    elif order is not None:
        _show_orders([order], reveal=reveal)
    elif number is not None:
        _show_numbers([number], reveal=reveal)
    else:
        fail(f"{shown_within(order_or_number, reveal=reveal)} is no order and no hosted number")


@hosted.command("eligibility")
def eligibility(numbers: Numbers, *, as_json: JsonOption = False, reveal: RevealOption = False) -> None:
    """Ask whether these numbers can be hosted. A number that Telnyx does not name cannot. Changes nothing.

    Exit codes: 0 all can, 1 some cannot, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    if not _check_eligibility(numbers, as_json=as_json, reveal=reveal):
        raise typer.Exit(1)


@hosted.command("order")
def order(
    numbers: Numbers,
    *,
    profile: Annotated[str | None, typer.Option(help="The messaging profile that the numbers are to have.")] = None,
    yes: YesOption = False,
    reveal: RevealOption = False,
) -> None:
    """Order that these numbers be hosted. Refused unless all are eligible.

    Exit codes: 0 ordered, 1 refused or not confirmed, 2 bad usage.
    """
    load_for_change()
    if not _check_eligibility(numbers, as_json=False, reveal=reveal):
        fail("Not all of them can be hosted: nothing was ordered.")
    confirm(f"Let Telnyx take over the messages of these numbers ({len(numbers)} in all)?", yes=yes)
    try:
        answer = with_telnyx(
            lambda telnyx: telnyx.messaging_hosted_number_orders.create(
                phone_numbers=numbers, messaging_profile_id=profile or omit
            )
        )
    except typer.Exit:
        say("Where no answer came, it may be ordered all the same: see `ringback hosted list` first.", err=True)
        raise
    ordered = answer.data or MessagingHostedNumberOrder()
    say(f"ordered: {ordered.id}, {ordered.status}")
    say(f"→ ringback hosted codes {ordered.id}", f"→ ringback hosted upload {ordered.id} --loa FILE --bill FILE")


@hosted.command("codes")
def codes(
    order_id: OrderId,
    *,
    numbers: Annotated[list[str] | None, typer.Argument(help="Only these of its numbers.", parser=e164)] = None,
    method: Annotated[Literal["sms", "call"], typer.Option(help="How the code reaches the number.")] = "sms",
    yes: YesOption = False,
    reveal: RevealOption = False,
) -> None:
    """Have Telnyx send or speak a code to the order's numbers, which proves whose they are.

    Without numbers: all of the order that are not hosted yet.

    Exit codes: 0 all sent, 1 some not, not confirmed, or Telnyx refuses, 2 bad usage.
    """
    load_for_change()
    to = numbers or with_telnyx(partial(hosted_numbers.unproven, order_id=order_id))
    if not to:
        say("No number of this order waits to be proven.")
        return
    how = "Telnyx will call" if method == "call" else "Telnyx will send an SMS to"
    confirm(f"{how} {', '.join(shown(each, reveal=reveal) for each in to)}. Go on?", yes=yes)
    rows = with_telnyx(
        lambda telnyx: telnyx.messaging_hosted_number_orders.create_verification_codes(
            order_id, phone_numbers=to, verification_method=method
        )
    ).data
    for each in rows:
        say(f"{shown(each.phone_number, reveal=reveal)}: {each.error or 'on its way'}")
    if any(each.error for each in rows):
        raise typer.Exit(1)
    say(f"→ ringback hosted validate {order_id} NUMBER=CODE")


@hosted.command("validate")
def validate(
    order_id: OrderId,
    pairs: Annotated[list[str], typer.Argument(help="NUMBER=CODE, such as +13125550001=123456.", metavar="PAIRS…")],
    *,
    reveal: RevealOption = False,
) -> None:
    """Give back the codes that the numbers were sent.

    Exit codes: 0 all are right, 1 some are wrong, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    given = dict(map(_pair, pairs))
    load_for_change()
    put_on_record(codes=len(given))
    answer = with_telnyx(
        lambda telnyx: telnyx.messaging_hosted_number_orders.validate_codes(
            order_id, verification_codes=[{"phone_number": number, "code": code} for number, code in given.items()]
        )
    )
    rows = answer.data.phone_numbers if answer.data else []
    for each in rows:
        say(f"{shown(each.phone_number, reveal=reveal)}: {each.status.replace('_', ' ')}")
    if len(rows) < len(given) or any(each.status == "rejected" for each in rows):
        raise typer.Exit(1)


@hosted.command("upload")
def upload(
    order_id: OrderId,
    *,
    loa: Annotated[Path | None, Document] = None,
    bill: Annotated[Path | None, Document] = None,
    reveal: RevealOption = False,
) -> None:
    """Upload the signed letter of authorisation, the carrier's latest bill, or both.

    Exit codes: 0 taken, 1 not accepted, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    files = {name: _pdf(path, name) for name, path in (("loa", loa), ("bill", bill)) if path is not None}
    if not files:
        raise typer.BadParameter("give --loa, --bill or both")
    load_for_change()
    put_on_record(files=[*files])
    answer = with_telnyx(
        lambda telnyx: telnyx.messaging_hosted_number_orders.actions.upload_file(
            order_id, loa=files.get("loa", omit), bill=files.get("bill", omit)
        )
    )
    uploaded = answer.data or MessagingHostedNumberOrder(id=order_id)
    _show_orders([uploaded], reveal=reveal)
    if uploaded.status == "loa_file_invalid":
        raise typer.Exit(1)


@hosted.command("assign")
def assign(
    number: HostedNumberId,
    profile: Annotated[str, typer.Option(help="The messaging profile that it is to have.")],
    *,
    yes: YesOption = False,
    reveal: RevealOption = False,
) -> None:
    """Give a hosted number another messaging profile, and with it other webhook URLs.

    Exit codes: 0 changed, 1 there is none, not confirmed, or Telnyx refuses, 2 bad usage.
    """
    load_for_change()
    confirm(f"Move {shown_within(number, reveal=reveal)} to the messaging profile {profile}?", yes=yes)
    answer = with_telnyx(lambda telnyx: telnyx.messaging_hosted_numbers.update(number, messaging_profile_id=profile))
    _show_numbers([answer.data or PhoneNumberWithMessagingSettings.construct()], reveal=reveal)


@hosted.command("delete")
def delete(order_id: OrderId, *, yes: YesOption = False) -> None:
    """Delete an order, and with it the hosting of its numbers. A deleted one is no error.

    Exit codes: 0 it is gone, 1 not confirmed, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    load_for_change()
    confirm(f"Delete the order {order_id}, and stop hosting its numbers?", yes=yes)
    _delete(lambda telnyx: telnyx.messaging_hosted_number_orders.delete(order_id))


@hosted.command("delete-number")
def delete_number(number: HostedNumberId, *, yes: YesOption = False, reveal: RevealOption = False) -> None:
    """Stop hosting one number. A deleted one is no error.

    Exit codes: 0 it is gone, 1 not confirmed, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    load_for_change()
    name = shown_within(number, reveal=reveal)
    confirm(f"Stop hosting {name}? Its messages go back to its carrier.", yes=yes)
    _delete(lambda telnyx: telnyx.messaging_hosted_numbers.delete(number))


def _show_orders(orders: Sequence[MessagingHostedNumberOrder], *, as_json: bool = False, reveal: bool) -> None:
    """Print orders and, for people, the next step of those that wait for one."""

    def row(order: MessagingHostedNumberOrder) -> tuple[str, str, list[str], str]:
        numbers = [f"{shown(one.phone_number, reveal=reveal)} {one.status}" for one in hosted_numbers.numbers_of(order)]
        return order.id or "-", order.status or "-", numbers, order.messaging_profile_id or "-"

    columns = "id, status, numbers, messaging profile"
    show_list(orders, columns, row, "There are no such orders.", as_json=as_json, reveal=reveal)
    for each in () if as_json else orders:
        if (step := hosted_numbers.next_step_of(each)) is not None:
            say("", f"{each.id}: {step.text}", f"→ {step.mend}")


def _show_numbers(numbers: Sequence[PhoneNumberWithMessagingSettings], *, as_json: bool = False, reveal: bool) -> None:
    def row(number: PhoneNumberWithMessagingSettings) -> tuple[str, ...]:
        in_full = shown(number.phone_number, reveal=reveal)
        return number.id or "-", in_full, number.type or "-", number.messaging_profile_id or "-"

    columns = "id, number, type, messaging profile"
    show_list(numbers, columns, row, "There are no hosted numbers.", as_json=as_json, reveal=reveal)


def _check_eligibility(numbers: list[str], *, as_json: bool, reveal: bool) -> bool:
    """Print which numbers can be hosted, and why others cannot. Return whether Telnyx says of each that it can."""

    def row(each: Eligibility) -> tuple[str, str, str]:
        verdict = "yes" if each.eligible else f"no ({each.eligible_status or 'unknown'})"
        return shown(each.phone_number, reveal=reveal), verdict, each.detail or ""

    answer = with_telnyx(lambda telnyx: telnyx.messaging_hosted_number_orders.check_eligibility(phone_numbers=numbers))
    rows = answer.phone_numbers or []
    show_list(rows, "number, can be hosted, detail", row, "Telnyx named no number.", as_json=as_json, reveal=reveal)
    for number in sorted({*numbers} - {each.phone_number for each in rows}):
        say(f"{shown(number, reveal=reveal)}: Telnyx did not say whether it can be hosted. Ask again.", err=True)
    return {*numbers} <= {each.phone_number for each in rows if each.eligible}


def _delete(ask: Callable[[AsyncTelnyx], Awaitable[object]]) -> None:
    answer = with_telnyx(lambda telnyx: hosted_numbers.none_if_missing(ask(telnyx)))
    say("deleted" if answer is not None else "there is none: deleted already, or never there")


def _pair(text: str) -> tuple[str, str]:
    number, _, code = text.partition("=")
    if not code.strip():
        raise typer.BadParameter("give NUMBER=CODE, such as +13125550001=123456")
    return e164(number), code.strip()


def _pdf(path: Path, name: str) -> tuple[str, bytes, str]:
    content = path.read_bytes()
    if not content.startswith(b"%PDF"):
        raise typer.BadParameter(f"--{name}: {path.name} is no PDF file")
    return f"{name}.pdf", content, "application/pdf"
