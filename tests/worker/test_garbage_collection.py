"""The garbage collection of a process belongs to the process, not to a worker that runs in it."""

import gc

from service import Context, Event, Router
from tests.stack import Stack
from tests.telnyx_events import envelope


def test_a_worker_within_another_program_leaves_its_garbage_collection_alone(stack: Stack) -> None:
    router, before = Router(), (gc.get_threshold(), gc.get_freeze_count())

    @router.on("test.something")
    async def handler(event: Event, ctx: Context) -> None:
        """Nothing more."""

    stack.start_worker(router)
    stack.deliver(event := envelope("test.something", {}))
    assert stack.ended(event).state == "done"
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
