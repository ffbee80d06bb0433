"""The options that several commands take."""

from typing import Annotated

import typer

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
RevealOption = Annotated[bool, typer.Option("--reveal", help="Show phone numbers and texts in full.")]
