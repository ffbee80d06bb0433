"""Hosted number orders and hosted numbers as tables, with what an order needs next."""

from collections.abc import Sequence

from telnyx.types.messaging_hosted_number_order_check_eligibility_response import PhoneNumber as Eligibility
from telnyx.types.shared import MessagingHostedNumberOrder, PhoneNumberWithMessagingSettings

from service.cli.numbers import shown
from service.cli.output import say
from service.cli.tables import Cell, print_table
from service.registrations.hosted_numbers import next_step_of
from service.registrations.hosted_orders import numbers_of


def show_orders(orders: Sequence[MessagingHostedNumberOrder], *, reveal: bool) -> None:
    """Print orders, and beneath them what those that wait for a person need."""
    if not orders:
        say("There are no such orders.", err=True)
        return
    _print_table(("id", "status", "numbers", "messaging profile"), [_order_row(each, reveal=reveal) for each in orders])
    for each in orders:
        _show_next_step(each)


def show_numbers(numbers: Sequence[PhoneNumberWithMessagingSettings], *, reveal: bool) -> None:
    """Print hosted numbers."""
    if not numbers:
        say("There are no hosted numbers.", err=True)
        return
    rows = [
        (each.id or "-", shown(each.phone_number, reveal=reveal), each.type or "-", each.messaging_profile_id or "-")
        for each in numbers
    ]
    _print_table(("id", "number", "type", "messaging profile"), rows)


def show_eligibility(rows: Sequence[Eligibility], *, reveal: bool) -> None:
    """Print which numbers can be hosted, and why others cannot."""
    told = [(shown(each.phone_number, reveal=reveal), _verdict(each), each.detail or "") for each in rows]
    _print_table(("number", "can be hosted", "detail"), told)


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:

    print_table(columns, rows)


def _verdict(row: Eligibility) -> str:
    return "yes" if row.eligible else f"no ({row.eligible_status or 'unknown'})"


def _order_row(order: MessagingHostedNumberOrder, *, reveal: bool) -> tuple[Cell, ...]:

    numbers = [f"{shown(each.phone_number, reveal=reveal)} {each.status}" for each in numbers_of(order)]
    return order.id or "-", order.status or "-", numbers, order.messaging_profile_id or "-"


def _show_next_step(order: MessagingHostedNumberOrder) -> None:

    step = next_step_of(order)
    if step is not None:
        say("", f"{order.id}: {step.text}", f"→ {step.mend}")
