"""Names of handlers on the command line: a misspelt one is refused, rather than taken for one without events."""

from contextlib import suppress
from difflib import get_close_matches

from service.cli.connections import with_redis
from service.cli.output import fail
from service.settings import load
from service.store.inbox.workers import read_workers
from service.store.operators.issues import read_issues
from service.store.store import Store
from service.worker.load_router import CannotLoadHandlers, load_router


def refuse_unknown_handler(name: str | None) -> None:
    """End the command with exit code 2 where nobody knows this handler. Call it where no event was found.

    HANDLERS, the workers and dead events name the known ones. Without any of these, every name passes.
    """
    if name is None:
        return
    known = with_redis(_known_to_redis)
    with suppress(CannotLoadHandlers):
        known |= set(load_router(load().handlers).subscriptions)
    if known and name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"is {near[0]} meant?" if near else f"there are {', '.join(sorted(known))}"
        fail(f"There is no handler {name!r}: {hint}", code=2)


async def _known_to_redis(store: Store) -> set[str]:
    workers, issues = await read_workers(store), await read_issues(store)
    return {name for each in workers for name in each.sign.handlers} | {each.handler for each in issues}
