"""How many events came and ended in each interval, counted in the indexes: cheap however many events there are."""

from dataclasses import dataclass

from service.store.connection import server_time
from service.store.store import Store


@dataclass(frozen=True, slots=True)
class EventRates:
    """Numbers of events by interval, the oldest first. `ended` are those that are done or ignored."""

    accepted: tuple[int, ...]
    ended: tuple[int, ...]
    dead: tuple[int, ...]


async def event_rates(store: Store, *, interval: int, number: int) -> EventRates:
    """Return the numbers of the last `number` intervals of so many milliseconds. The last one is not over yet.

    An event that was replayed or has expired is counted where it is now, or not at all. Costs O(log events) for each
    interval.
    """
    last = await server_time(store.redis) // interval
    begins = [(last - back) * interval for back in range(number - 1, -1, -1)]
    async with store.redis.pipeline(transaction=False) as pipeline:
        for index in (store.keys.events, store.keys.ended, store.keys.dead):
            for begin in begins:
                pipeline.zcount(index, begin, f"({begin + interval}")
        counts: list[int] = await pipeline.execute()
    return EventRates(*(tuple(counts[start : start + number]) for start in range(0, 3 * number, number)))
