"""`ringback hosted`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from service.cli.confirm import confirm
from service.cli.numbers import e164, print_json, shown, shown_within
from service.cli.options import JsonOption, RevealOption, YesOption
from service.cli.output import say
from service.cli.telnyx.changing import load_for_change
from service.cli.telnyx.hosted_list import show_eligibility, show_numbers, show_orders
from service.cli.telnyx.telnyx_session import with_telnyx
from service.registrations.hosted_orders import (
    assign_profile,
    check_eligibility,
    create,
    delete_hosted_number,
    delete_order,
    find,
    find_number,
    hosted_numbers,
    send_codes,
    unproven,
    upload_papers,
    validate_codes,
)
from service.registrations.hosted_orders import orders as all_orders
from service.settings import load

hosted = typer.Typer(
    help="Numbers that stay with their carrier while Telnyx takes over their messages.", no_args_is_help=True
)

Numbers = Annotated[list[str], typer.Argument(help="Numbers such as +13125550001.", parser=e164)]
OrderId = Annotated[str, typer.Argument(help="The order's id, from `ringback hosted list`.")]
HostedNumberId = Annotated[str, typer.Argument(help="A hosted number, or its id.")]
Document = typer.Option(help="A PDF file.", exists=True, dir_okay=False, readable=True)

_PDF = b"%PDF"
GONE = "there is none: deleted already, or never there"


@hosted.command("list")
def list_hosted(
    *,
    status: Annotated[str | None, typer.Option(help="Only orders of this status.")] = None,
    numbers: Annotated[
        bool, typer.Option("--numbers", help="List the numbers that are hosted, not the orders.")
    ] = False,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """List all orders or, with --numbers, all hosted numbers.

    Exit codes: 0 listed, 1 Telnyx refuses or cannot be reached, 2 bad usage.
    """
    if numbers:
        _list_numbers(as_json=as_json, reveal=reveal)
        return

    orders = [each for each in with_telnyx(load(), all_orders) if status in {None, each.status}]
    if as_json:
        print_json([each.to_dict(mode="json") for each in orders], reveal=reveal)
    else:
        show_orders(orders, reveal=reveal)


@hosted.command("show")
def show(
    order_or_number: Annotated[str, typer.Argument(help="An order's id, a hosted number, or its id.")],
    *,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """Show an order with its numbers and what it needs next, or one hosted number with its settings.

    Exit codes: 0 shown, 1 there is none, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    settings = load()
    order = None if order_or_number.startswith("+") else with_telnyx(settings, partial(find, order_id=order_or_number))
    number = None if order else with_telnyx(settings, partial(find_number, number=order_or_number))
    found = order or number
    if found is None:
        say(f"{shown_within(order_or_number, reveal=reveal)} is no order and no hosted number", err=True)
        raise typer.Exit(1)
    if as_json:
        print_json(found.to_dict(mode="json"), reveal=reveal)
    elif order is not None:
        show_orders([order], reveal=reveal)
    elif number is not None:
        show_numbers([number], reveal=reveal)


@hosted.command("eligibility")
def eligibility(numbers: Numbers, *, as_json: JsonOption = False, reveal: RevealOption = False) -> None:
    """Ask whether these numbers can be hosted. Changes nothing.

    Exit codes: 0 all can, 1 some cannot, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    rows = with_telnyx(load(), partial(check_eligibility, numbers=numbers))
    if as_json:
        print_json([each.to_dict(mode="json") for each in rows], reveal=reveal)
    else:
        show_eligibility(rows, reveal=reveal)
    if not all(each.eligible for each in rows):
        raise typer.Exit(1)


@hosted.command("order")
def order(
    numbers: Numbers,
    *,
    profile: Annotated[str | None, typer.Option(help="The messaging profile that the numbers are to have.")] = None,
    yes: YesOption = False,
    reveal: RevealOption = False,
) -> None:
    """Order that these numbers be hosted; refused unless all are eligible.

    Exit codes: 0 ordered, 1 refused or not confirmed, 2 bad usage.
    """
    settings = load_for_change()
    rows = with_telnyx(settings, partial(check_eligibility, numbers=numbers))
    show_eligibility(rows, reveal=reveal)
    if not all(each.eligible for each in rows):
        say("Not all of them can be hosted: nothing was ordered.", err=True)
        raise typer.Exit(1)
    confirm(f"Let Telnyx take over the messages of these numbers ({len(numbers)} in all)?", yes=yes)
    try:
        ordered = with_telnyx(settings, partial(create, numbers=numbers, profile=profile))
    except typer.Exit:
        say("Where no answer came, it may be ordered all the same: see `ringback hosted list` first.", err=True)
        raise
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
    settings = load_for_change()
    to = numbers or with_telnyx(settings, partial(unproven, order_id=order_id))
    if not to:
        say("No number of this order waits to be proven.")
        return
    how = "Telnyx will call" if method == "call" else "Telnyx will send an SMS to"
    confirm(f"{how} {', '.join(shown(each, reveal=reveal) for each in to)}. Go on?", yes=yes)
    rows = with_telnyx(settings, partial(send_codes, order_id=order_id, numbers=to, method=method))
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
    given = dict(_pair(each) for each in pairs)
    rows = with_telnyx(load_for_change(), partial(validate_codes, order_id=order_id, codes=given))
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
    papers = {name: _pdf(path, name) for name, path in (("loa", loa), ("bill", bill)) if path is not None}
    if not papers:
        raise typer.BadParameter("give --loa, --bill or both")
    uploaded = with_telnyx(load_for_change(), partial(upload_papers, order_id=order_id, papers=papers))
    show_orders([uploaded], reveal=reveal)
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
    settings = load_for_change()
    confirm(f"Move {shown_within(number, reveal=reveal)} to the messaging profile {profile}?", yes=yes)
    changed = with_telnyx(settings, partial(assign_profile, number=number, profile=profile))
    show_numbers([changed], reveal=reveal)


@hosted.command("delete")
def delete(order_id: OrderId, *, yes: YesOption = False) -> None:
    """Delete an order, and with it the hosting of its numbers; one that is gone already is no error.

    Exit codes: 0 it is gone, 1 not confirmed, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    settings = load_for_change()
    confirm(f"Delete the order {order_id}, and stop hosting its numbers?", yes=yes)
    was_there = with_telnyx(settings, partial(delete_order, order_id=order_id))
    say("deleted" if was_there else GONE)


@hosted.command("delete-number")
def delete_number(number: HostedNumberId, *, yes: YesOption = False, reveal: RevealOption = False) -> None:
    """Stop hosting one number; one that is gone already is no error.

    Exit codes: 0 it is gone, 1 not confirmed, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    settings = load_for_change()
    name = shown_within(number, reveal=reveal)
    confirm(f"Stop hosting {name}? Its messages go back to its carrier.", yes=yes)
    was_there = with_telnyx(settings, partial(delete_hosted_number, number=number))
    say("deleted" if was_there else GONE)


def _list_numbers(*, as_json: bool, reveal: bool) -> None:

    found = with_telnyx(load(), hosted_numbers)
    if as_json:
        print_json([each.to_dict(mode="json") for each in found], reveal=reveal)
    else:
        show_numbers(found, reveal=reveal)


def _pair(text: str) -> tuple[str, str]:
    number, _, code = text.partition("=")
    if not code.strip():
        raise typer.BadParameter("give NUMBER=CODE, such as +13125550001=123456")
    return e164(number), code.strip()


def _pdf(path: Path, name: str) -> bytes:
    content = path.read_bytes()
    if not content.startswith(_PDF):
        raise typer.BadParameter(f"--{name}: {path.name} is no PDF file")
    return content
