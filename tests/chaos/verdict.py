"""What has to hold after a chaos run, by the books of Telnyx and by the store."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from service.store.effects.ledger import effects_of
from service.store.inbox import accept
from service.store.inbox.audit import audit
from service.store.store import Store
from service.testing.simulator import Simulator
from tests.chaos.stories import LANE, Story


def sms_by_number(simulator: Simulator) -> dict[str, list[str]]:
    """Return the texts of the SMS that Telnyx took for each number, in the order of their acceptance."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for each in simulator.account.messages:
        found[each.to].append(each.text)
    return found


def doubled(sms: dict[str, list[str]]) -> int:
    """Return how many SMS Telnyx took beyond the first of each text to each number."""
    return sum(number - 1 for texts in sms.values() for number in Counter(texts).values())


def judge_books(stories: Sequence[Story], sms: dict[str, list[str]]) -> list[str]:
    """Return what Telnyx's books show that should not be."""
    return [
        *(
            f"{story.kind}: {len(sms.get(story.number, []))} SMS, {story.ids}"
            for story in stories
            if not _fits(story, sms)
        ),
        *(
            f"{story.kind}: out of order, {sms[story.number]}, {story.ids}"
            for story in stories
            if _overtook(story, sms)
        ),
    ]


def _fits(story: Story, sms: dict[str, list[str]]) -> bool:
    return story.least <= len(sms.get(story.number, [])) <= story.most


def _overtook(story: Story, sms: dict[str, list[str]]) -> bool:
    numbers = [int(each) for each in sms.get(story.number, [])] if story.most == LANE else []
    return any(later < earlier for earlier, later in pairwise(numbers))


async def judge_store(store: Store, stories: Sequence[Story]) -> list[str]:
    """Return what the store shows that should not be."""
    found = await audit(store)
    wrong = [f"the audit differs: {found.contradictions} {found.differences}"] if not found.clean else []
    for story in stories:
        for event_id in story.ids:
            record = await accept.find(store, event_id)
            if record is None:
                wrong.append(f"{story.kind}: {event_id} is lost")
            elif record.state != story.state:
                told = {name: (each.state, each.reason, each.error) for name, each in record.handlers.items()}
                wrong.append(f"{story.kind}: {event_id} is {record.state}, {told}")
            wrong += await _late_intents(store, story, event_id)
    return wrong


async def _late_intents(store: Store, story: Story, event_id: str) -> list[str]:
    """Return the intents that were written after the 200 of the story's STOP or delivery."""
    closed = story.closed_at
    if closed is None:
        return []
    return [
        f"{story.kind}: {event_id} wrote an intent {each.last_at - closed} ms after the 200"
        for each in await effects_of(store, event_id)
        if each.last_at > closed
    ]
