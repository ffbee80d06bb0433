"""The numbers that SMS fallbacks go out from, and the carriers that their 10DLC registrations do not let them reach."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce

from telnyx import AsyncTelnyx

from service.messages.policy_file import policy_of
from service.outbound.gate import campaign_block, sender_digest
from service.outbound.list_pages import rows_of
from service.registrations.status_changes import Known
from service.registrations.ten_dlc import kinds
from service.settings import Settings

ALL = "all carriers"
POOL = "profile"
_PAGE = 250


@dataclass(frozen=True, slots=True)
class FallbackSender:
    """One sender of fallbacks: a number, or those of a messaging profile's pool. `digest` is its name in blocks."""

    digest: str
    numbers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a sender cannot reach some carriers, or any (`ALL`). `mark` changes with each change of that reason."""

    carrier: str
    reason: str
    campaign: str
    mark: str


def numbers_of_policy(settings: Settings) -> tuple[frozenset[str], bool]:
    """Return the numbers that the policy sends from, and whether it sends from number pools."""
    policy = policy_of(settings.policy, settings.sms_from)
    given = {rule.sender for rule in policy.rules} if policy is not None else set()
    return frozenset(each for each in given if each and each.startswith("+")), POOL in given


async def senders_of(telnyx: AsyncTelnyx, settings: Settings) -> list[FallbackSender]:
    """Return the senders of the policy. Telnyx is asked for the numbers of pools.

    Raises:
        telnyx.APIError: Telnyx does not tell the numbers of a pool.
    """
    numbers, has_pools = numbers_of_policy(settings)
    found = [FallbackSender(sender_digest(each, None), frozenset({each})) for each in sorted(numbers)]
    if not has_pools:
        return found
    async for profile in rows_of(telnyx.messaging_profiles.list(page_size=_PAGE), "messaging profiles"):
        rows = rows_of(
            telnyx.messaging_profiles.list_phone_numbers(str(profile.id), page_size=_PAGE), "numbers of a pool"
        )
        pooled = frozenset([each.phone_number async for each in rows if each.phone_number])
        found += [FallbackSender(sender_digest(None, str(profile.id)), pooled)] if pooled else []
    return found


def stops_of(assignment: Known | None, campaigns: Mapping[str, Known]) -> dict[str, Stop]:
    """Return what stops the sends of a number, by carrier. One without a known assignment needs none."""
    if assignment is None:
        return {}
    name = str(assignment.about.get("campaign") or "")
    campaign = campaigns.get(name)
    if assignment.status in kinds.NOT_YET_ASSIGNED:
        return {ALL: _stop(ALL, f"the number's assignment is {assignment.status}", name, assignment, None)}
    if campaign is not None and (campaign.status in kinds.SENDS_NOTHING or campaign.about.get("stopped")):
        return {ALL: _stop(ALL, f"the campaign is {campaign.status}", name, assignment, campaign)}
    found = {
        each: _stop(each, f"{each} lost the number", name, assignment, campaign)
        for each in assignment.about.get("carriers") or ()
    }
    suspending = campaign.about.get("carriers") or () if campaign is not None else ()
    return found | {
        each: _stop(each, f"{each} suspends the campaign", name, assignment, campaign) for each in suspending
    }


def stops_of_all(stops: Iterable[dict[str, Stop]]) -> dict[str, Stop]:
    """Return what stops the sends of several numbers together: a pool sends as long as one of its numbers can."""
    return reduce(_both, stops) if (stops := list(stops)) else {}


def block_of(sender: FallbackSender, stop: Stop) -> str:
    """Return the name of the block for a stop."""
    return campaign_block(sender.digest, None if stop.carrier == ALL else stop.carrier)


def _both(one: dict[str, Stop], other: dict[str, Stop]) -> dict[str, Stop]:
    if ALL in one:
        return other
    return one if ALL in other else {name: one[name] for name in one if name in other}


def _stop(carrier: str, reason: str, campaign: str, *known: Known | None) -> Stop:
    marks = "".join(each.mark + str(each.changes) for each in known if each is not None)
    return Stop(carrier, reason, campaign, hashlib.sha256(f"{carrier}{marks}".encode()).hexdigest()[:16])
