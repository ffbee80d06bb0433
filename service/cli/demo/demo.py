"""`ringback demo`: the whole path on this machine, with a local Telnyx, and an account of what happened."""

from typing import Annotated

import typer

from service.cli.demo.stack import DemoFailed
from service.cli.demo.table import run_and_show
from service.cli.output import say_block


def demo(
    *,
    chaos: Annotated[bool, typer.Option(help="Kill the demo's own worker in the middle of a send.")] = True,
) -> None:
    """Send signed webhooks through a real ingress and worker to a local Telnyx, and show what came of each.

    Needs no account. HANDLERS may name a router of yours to try; nothing else of the environment is used. Each row is
    computed twice, from the local Telnyx's books and from the event's ledger of effects. Exit codes: 0 all held, 1 not.
    """
    try:
        held = run_and_show(chaos=chaos)
    except DemoFailed as error:
        say_block(str(error), err=True)
        held = False
    if not held:
        raise typer.Exit(1)
