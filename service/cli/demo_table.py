"""The demo's table: what arrived, what was answered, and what two witnesses say came of it."""

from rich.console import Console
from rich.table import Table

from service.cli.demo_deliveries import Told, deliveries
from service.cli.demo_stack import demo_stack

NARROWEST = 132


def run_and_show(*, chaos: bool) -> bool:
    """Run the demo, with `chaos` killing a worker of its own, and print its account; answers whether all of it held.

    Raises:
        service.cli.demo_stack.DemoFailed: a process does not come up.
        service.embedded.EmbeddedServerError: no server can be run on this machine.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=NARROWEST)
    with console.status("Starting a server, an ingress, a worker and a local Telnyx …"), demo_stack() as stack:
        told = [delivery.tell(stack) for delivery in deliveries(chaos=chaos)]
    console.print(_table(told))
    failed = [each.title for each in told if not each.held]
    verdict = f"[red]Failed:[/red] {'; '.join(failed)}" if failed else f"[green]All {len(told)} held.[/green]"
    console.print(verdict, highlight=False, soft_wrap=True)
    return not failed


def _table(told: list[Told]) -> Table:
    table = Table("What arrived", "Answer", "The event's record", "SMS: ledger / Telnyx / expected", "")
    for each in told:
        counts = f"{each.recorded} / {each.seen} / {each.expected}"
        table.add_row(each.title, each.answer, each.record, counts, "[green]✓[/green]" if each.held else "[red]✗[/red]")
    return table
