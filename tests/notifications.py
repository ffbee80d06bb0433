"""What people were told, read from where it waits for a worker's courier."""

import orjson

from service.store.store import Store
from tests.pending import pending
from tests.stack import Stack


def noted(stack: Stack) -> dict[str, list[tuple[str, str]]]:
    """By cause, what was noted (told or not yet), each with the command that mends it."""

    async def read(store: Store) -> dict[str, list[tuple[str, str]]]:
        causes = await store.redis.zrange(f"{store.namespace}:notices", 0, -1)
        found: dict[str, list[tuple[str, str]]] = {}
        for cause in causes:
            fields: list[bytes] = await pending(store.redis.hkeys(f"{store.namespace}:notice:{cause.decode()}"))
            entries = {field.partition(b":")[2] for field in fields if field.startswith((b"new:", b"sent:"))}
            found[cause.decode()] = sorted((text, mend) for text, mend in map(orjson.loads, entries))
        return found

    return stack.ask(read)
