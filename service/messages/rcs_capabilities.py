"""Which phones an RCS agent can reach: asked once, and remembered until a message shows otherwise."""

import difflib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from telnyx import AsyncTelnyx

from service.events.message import REACHED
from service.messages.rcs_sending import FAILED
from service.outbound.carriers import carrier_name
from service.routing import Context
from service.store.facts.remembered import TEXT_ONLY, Capability, forget, recall, remember
from service.store.store import Store

MOST_AT_ONCE = 100
"""Numbers in one bulk query. Source: knowledge base, RCS capabilities and deeplinks."""


FEATURES = frozenset(
    {"ACTION_CREATE_CALENDAR_EVENT", "ACTION_DIAL", "ACTION_OPEN_URL", "ACTION_OPEN_URL_IN_WEBVIEW"}
    | {"ACTION_SHARE_LOCATION", "ACTION_VIEW_LOCATION", "RICHCARD_CAROUSEL", "RICHCARD_STANDALONE", TEXT_ONLY}
)
"""The features that phones can have. Source: knowledge base, RCS capabilities and deeplinks."""


def checked_features(features: Collection[str]) -> frozenset[str]:
    """Return the names of features, a single one as a text. Names that Telnyx adds later pass.

    Raises:
        ValueError: a name is near to that of a known feature, but another one.
    """
    named = frozenset({features} if isinstance(features, str) else features)
    for each in named - FEATURES:
        near = difflib.get_close_matches(each.upper(), FEATURES, n=1, cutoff=0.75)
        if near:
            raise ValueError(f"no phone has the RCS feature {each!r}: did you mean {near[0]!r}?")
    return named


@dataclass(frozen=True)
class RcsCapabilities:
    """The look-ups of a worker or a command. `ctx.rcs` is one."""

    telnyx: AsyncTelnyx
    store: Store

    async def capable(self, agent: str, number: str, features: Collection[str] = ()) -> bool:
        """Return whether this agent's messages can reach this number's phone by RCS, with all of these features.

        Raises:
            ValueError: a feature is misspelt.
            telnyx.APIError: Telnyx refused, or could not be reached. Left to the worker, it is tried again.
        """
        wanted = checked_features(features)
        return (await self.read(agent, [number]))[number].has(wanted)

    async def read(
        self,
        agent: str,
        numbers: Sequence[str],
        *,
        afresh: bool = False,
        progress: Callable[[int], None] = lambda _: None,
    ) -> dict[str, Capability]:
        """Return the capability of each number, in order. Only unknown ones are asked for, in hundreds.

        `afresh` asks for all of them. `progress` is called with the number of further known ones.
        Answers before an error are remembered.

        Raises:
            telnyx.APIError: Telnyx refused, or could not be reached.
        """
        found = {} if afresh else await recall(self.store, agent, numbers, name_of=carrier_name)
        progress(len(found))
        missing = [number for number in dict.fromkeys(numbers) if number not in found]
        for start in range(0, len(missing), MOST_AT_ONCE):
            batch = missing[start : start + MOST_AT_ONCE]
            answered = await self._ask(agent, batch)
            await remember(self.store, agent, answered)
            found |= answered
            progress(len(batch))
        return {number: found.get(number, Capability(())) for number in dict.fromkeys(numbers)}

    async def _ask(self, agent: str, numbers: Sequence[str]) -> dict[str, Capability]:
        if len(numbers) == 1:
            one = await self.telnyx.messaging.rcs.retrieve_capabilities(numbers[0], agent_id=agent)
            rows = [one.data] if one.data else []
        else:
            many = await self.telnyx.messaging.rcs.list_bulk_capabilities(agent_id=agent, phone_numbers=list(numbers))
            rows = many.data or []
        return {each.phone_number: Capability(tuple(each.features or ())) for each in rows if each.phone_number}


async def contradict(ctx: Context, agent: str, number: str, status: str) -> bool:
    """Forget what a message's end (`status`) shows to be wrong. Return whether anything was forgotten."""
    store = ctx.services.store
    known = (await recall(store, agent, [number], name_of=carrier_name)).get(number)
    if known is None or status not in (FAILED if known.capable else REACHED):
        return False
    await forget(store, agent, number)
    return True
