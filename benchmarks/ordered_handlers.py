"""A handler that notes that it ran, in order by number if `BENCH_ORDERED` is set."""

import os

from benchmarks.handled import recorder
from service import Context, Event, Router

router = Router()
note = recorder()


@router.on("*", ordered_by="number" if os.environ.get("BENCH_ORDERED") else None)
async def no_op(event: Event[dict[str, object]], ctx: Context) -> None:
    """Note the event."""
    del ctx
    note(event.id)
