"""The options that several commands take."""

from typing import Annotated

import typer

from service.cli.numbers import e164

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
RevealOption = Annotated[bool, typer.Option("--reveal", help="Show phone numbers and texts in full.")]
LimitOption = Annotated[int, typer.Option("--limit", help="How many at most.", min=1)]
E164Argument = Annotated[str, typer.Argument(metavar="NUMBER", help="A number such as +13125550001.", parser=e164)]
EventIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The id of an event.")]
NumberArgument = Annotated[str, typer.Argument(metavar="NUMBER", help="Such as +13125550001, or a short code.")]
