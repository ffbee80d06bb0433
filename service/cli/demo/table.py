"""The demo's table: what arrived, what was answered, and what two witnesses say came of it."""

from service.cli.demo.deliveries import DemoRow, deliveries
from service.cli.demo.stack import demo_stack
from service.cli.output import working
from service.cli.tables import Cell, coloured, print_boxed_table, print_coloured

WIDTH = 132


def run_and_show(*, chaos: bool) -> bool:
    """Run the demo, with `chaos` killing a worker of its own, and print its account; answers whether all of it held.

    Raises:
        service.cli.demo.stack.DemoFailed: a process does not come up.
        service.processes.data_folder.EmbeddedServerError: no server can be run on this machine.
    """
    with working("Starting a server, an ingress, a worker and a local Telnyx …"), demo_stack() as stack:
        told = [delivery.tell(stack) for delivery in deliveries(chaos=chaos)]
    columns = ("Webhook", "Answer", "The event's record", "SMS: ledger / Telnyx / expected", "")
    print_boxed_table(columns, map(_row, told), width=WIDTH)
    failed = [each.title for each in told if not each.held]
    if failed:
        print_coloured(coloured("Failed:", "red"), "; ".join(failed))
    else:
        print_coloured(coloured(f"All {len(told)} held.", "green"))
    return not failed


def _row(told: DemoRow) -> tuple[Cell, ...]:
    counts = f"{told.recorded} / {told.seen} / {told.expected}"
    held = coloured("✓", "green") if told.held else coloured("✗", "red")
    return told.title, told.answer, told.record, counts, held
