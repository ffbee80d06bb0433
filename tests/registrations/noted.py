"""What a person has been or will be told, and events brought in beside the front door."""

from typing import Any

import orjson

from service.store.inbox.accept import NewEvent, accept
from service.store.store import Store
from tests.pending import pending
from tests.stack import Stack


def noted(stack: Stack) -> str:
    """All notifications, told or yet to be told."""

    async def notices(store: Store) -> str:
        found = [key async for key in store.redis.scan_iter(f"{store.namespace}:notice:*")]
        return "\n".join([f"{key} {await pending(store.redis.hgetall(key))}" for key in found])

    return stack.ask(notices)


def arrive(stack: Stack, event_type: str, identity: str, *, occurred_at: str | None = None, **payload: Any) -> str:
    """An event of Ringback's own, such as cron's; answers its id."""
    data = {"id": identity, "event_type": event_type, "occurred_at": occurred_at, "payload": payload}
    arrival = NewEvent(identity, event_type, orjson.dumps({"data": data}), "cron")
    stack.ask(lambda store: accept(store, [arrival]))
    return identity
