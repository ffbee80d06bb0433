"""A handler that does nothing but note that it ran: `HANDLERS=benchmarks.noop_handlers:router`."""

from benchmarks.handled import recorder
from service import Context, Event, Router

router = Router()
note = recorder()


@router.on("*")
async def no_op(event: Event[dict[str, object]], ctx: Context) -> None:
    """Note the event."""
    del ctx
    note(event.id)
