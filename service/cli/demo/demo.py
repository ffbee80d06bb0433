"""`ringback demo`."""

from typing import Annotated

import typer

from service.cli.demo.deliveries import DemoRow, deliveries
from service.cli.demo.stack import DemoFailed, demo_stack
from service.cli.output import Cell, coloured, console, print_boxed_table, print_coloured, say_block

COLUMNS = ("Webhook", "Answer", "The event's record", "SMS: ledger / Telnyx / expected", "")
WIDTH = 132


def demo(
    *,
    chaos: Annotated[bool, typer.Option(help="Kill the demo's own worker in the middle of a send.")] = True,
) -> None:
    """Send signed webhooks through an ingress and a worker to a local Telnyx.

    Shows the result of each, counted twice: from the messages of the local Telnyx and from the event's ledger of
    effects. Needs no account. HANDLERS may name a router of yours to try. No other variable is used.

    Exit codes: 0 all correct, 1 not.
    """
    try:
        with console().status("Starting a server, an ingress, a worker and a local Telnyx …"), demo_stack() as stack:
            rows = [delivery.tell(stack) for delivery in deliveries(chaos=chaos)]
    except DemoFailed as error:
        say_block(str(error), err=True)
        raise typer.Exit(1) from None
    print_boxed_table(COLUMNS, map(_cells, rows), width=WIDTH)
    failed = [each.title for each in rows if not each.held]
    if failed:
        print_coloured(coloured("Failed:", "red"), "; ".join(failed))
        raise typer.Exit(1)
    print_coloured(coloured(f"All {len(rows)} held.", "green"))


def _cells(row: DemoRow) -> tuple[Cell, ...]:
    held = coloured("✓", "green") if row.held else coloured("✗", "red")
    return row.title, row.answer, row.record, row.counts, held
