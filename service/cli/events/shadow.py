"""`ringback events shadow`."""

from typing import Annotated

import typer

from service.cli.events.filters import selects_listed_events
from service.cli.options import JsonOption, RevealOption, YesOption
from service.store.inbox.search import EventFilter

HandlersOption = Annotated[
    str | None, typer.Option("--handlers", metavar="MODULE:NAME", help="The router to try. Default: HANDLERS.")
]
OnlyOption = Annotated[str | None, typer.Option("--only", metavar="HANDLER", help="Try this handler only.")]


@selects_listed_events
def shadow_events(
    *,
    selection: EventFilter,
    handlers: HandlersOption = None,
    only: OnlyOption = None,
    yes: YesOption = False,
    reveal: RevealOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run other handlers on past events without effects, and show what they would do differently.

    Calls, replies, events and notifications are captured, and nothing is written to Redis. The command asks first,
    since the handlers may do real things elsewhere. The clock stands at the acceptance of each event. Consent and
    message states are those of today. Events without a body, and open ones, are counted as skipped.

    Exit codes: 0 no difference, 1 a difference, not confirmed, or Redis is unreachable, 2 bad usage.
    """
    # The SDK and the handlers, which no other command of this group needs.
    from service.cli.events.shadow_report import run_shadow  # noqa: PLC0415 - see above

    if run_shadow(selection, handlers, only, yes=yes, reveal=reveal, as_json=as_json):
        raise typer.Exit(1)
