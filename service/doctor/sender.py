"""Checks of the numbers that fallbacks send from: each must be ours, registered, and of a profile that may send."""

from collections.abc import AsyncIterator

from telnyx import AsyncTelnyx, NotFoundError

from service.doctor.deployment import Deployment
from service.doctor.finding import CheckFailed, Warned
from service.messages.policy import default_policy
from service.messages.policy_file import read_policy
from service.outbound.list_pages import rows_of
from service.outbound.phone_numbers import country_of, is_toll_free
from service.security.masking import mask_number
from service.settings import Settings

POOL = "profile"
"""The sender that stands for a number of the message's own profile."""
_PAGE = 250

Trouble = CheckFailed | Warned


async def fallback_sender(at: Deployment) -> str:
    """Check every sender of the policy, and the messaging profiles that it and the RCS agents belong to."""
    senders = _senders(at.settings)
    if not senders:
        return "the SMS fallback is off"
    profiles = await _profiles_of_agents(at.telnyx)
    found: list[Trouble] = []
    for sender in senders:
        if sender == POOL:
            found += [each async for each in _pool_troubles(at.telnyx, profiles)]
            continue
        profile, troubles = await _number_troubles(at.telnyx, sender)
        found += troubles
        profiles |= {profile} - {None}
    for each in sorted(filter(None, profiles)):
        found += [trouble async for trouble in _profile_troubles(at.telnyx, each)]
    if found:
        kind = CheckFailed if any(isinstance(each, CheckFailed) for each in found) else Warned
        raise kind("; ".join(map(str, found)))
    return f"{', '.join(map(_masked, senders))} may send, and {len(profiles)} messaging profiles are fit for fallbacks"


def _senders(settings: Settings) -> list[str]:
    if settings.policy is not None:
        policy = read_policy(settings.policy, sms_from=settings.sms_from)
    elif settings.sms_from is not None:
        policy = default_policy(settings.sms_from)
    else:
        return []
    return sorted({rule.sender for rule in policy.rules if rule.sender is not None})


async def _profiles_of_agents(telnyx: AsyncTelnyx) -> set[str | None]:
    agents = rows_of(telnyx.messaging.rcs.agents.list(), "RCS agents")
    return {each.profile_id async for each in agents if each.profile_id}


async def _number_troubles(telnyx: AsyncTelnyx, sender: str) -> tuple[str | None, list[Trouble]]:
    """Return the profile of a number or short code of ours, and what keeps it from sending."""
    known, profile = await (_number if sender.startswith("+") else _short_code)(telnyx, sender)
    name = _masked(sender)
    if not known:
        return None, [CheckFailed(f"{name} is no number of this account: give RINGBACK_SMS_FROM one of yours")]
    if profile is None:
        return None, [CheckFailed(f"{name} belongs to no messaging profile: assign one in Mission Control, Numbers")]
    return profile, [each async for each in _registration_troubles(telnyx, sender)]


async def _number(telnyx: AsyncTelnyx, number: str) -> tuple[bool, str | None]:
    """Look a number up. Source: SDK 4.189, `phone_numbers.messaging.list`."""
    async for each in rows_of(telnyx.phone_numbers.messaging.list(filter_phone_number=number), "phone numbers"):
        if each.phone_number == number:
            return True, each.messaging_profile_id or None
    return False, None


async def _short_code(telnyx: AsyncTelnyx, code: str) -> tuple[bool, str | None]:
    """Look a short code up. Source: SDK 4.189, `short_codes.list`, which has no filter by code."""
    async for each in rows_of(telnyx.short_codes.list(page_size=_PAGE), "short codes"):
        if each.short_code == code:
            return True, each.messaging_profile_id or None
    return False, None


async def _registration_troubles(telnyx: AsyncTelnyx, number: str) -> AsyncIterator[Trouble]:
    """Yield what a number of the US lacks: a toll-free verification (40329), or a 10DLC campaign (40010)."""
    if not number.startswith("+") or country_of(number) not in ("US", None):
        return
    troubles = _toll_free_troubles if is_toll_free(number) else _campaign_troubles
    async for each in troubles(telnyx, number):
        yield each


async def _toll_free_troubles(telnyx: AsyncTelnyx, number: str) -> AsyncIterator[Trouble]:
    requests = telnyx.messaging_tollfree.verification.requests.list(page=1, page_size=100, phone_number=number)
    found = [each.verification_status async for each in rows_of(requests, "toll-free requests")]
    if "Verified" not in found:
        states = f"its verification is {', '.join(sorted(set(found)))!r}" if found else "it has no verification request"
        yield CheckFailed(
            f"{_masked(number)} is toll-free and {states}, so sends fail (40329): `ringback tollfree list`"
        )


async def _campaign_troubles(telnyx: AsyncTelnyx, number: str) -> AsyncIterator[Trouble]:
    """Yield a missing or failed assignment. Source: SDK 4.189, `PhoneNumberCampaign.assignment_status`."""
    try:
        found = await telnyx.messaging_10dlc.phone_number_campaigns.retrieve(number)
    except NotFoundError:
        yield CheckFailed(f"{_masked(number)} has no 10DLC campaign, so sends fail (40010): assign it to one")
        return
    name = _masked(number)
    if found.assignment_status in ("FAILED_ASSIGNMENT", "PENDING_UNASSIGNMENT"):
        yield CheckFailed(f"{name}: its 10DLC campaign is {found.assignment_status}: assign it again")
    elif found.assignment_status == "PENDING_ASSIGNMENT":
        yield Warned(f"{name}: its 10DLC campaign is still being assigned: sends may fail (40010) until then")
    elif "FAILED" in (found.tmobile_number_mapping_status, found.non_tmobile_number_mapping_status):
        yield Warned(f"{name}: a carrier does not know its 10DLC campaign, so sends to it fail: assign it again")


async def _pool_troubles(telnyx: AsyncTelnyx, profiles: set[str | None]) -> AsyncIterator[Trouble]:
    """Yield the profiles of RCS agents without a pool of numbers (40321)."""
    for each in sorted(filter(None, profiles)):
        profile = (await telnyx.messaging_profiles.retrieve(each)).data
        numbers = rows_of(telnyx.messaging_profiles.list_phone_numbers(each, page_size=_PAGE), "numbers of a profile")
        if profile is None or profile.number_pool_settings is None or not [one async for one in numbers]:
            yield CheckFailed(
                f"the messaging profile {each} has no number pool, so its fallbacks fail (40321)."
                " Next: turn it on in Mission Control and assign numbers, or name a sender"
            )


async def _profile_troubles(telnyx: AsyncTelnyx, profile_id: str) -> AsyncIterator[Trouble]:
    """Yield what of a messaging profile prevents fallbacks, or opt-outs from being seen.

    Source: SDK 4.189, `MessagingMessagingProfile` and `MessagingProfileFeatures`.
    """
    try:
        profile = (await telnyx.messaging_profiles.retrieve(profile_id)).data
    except NotFoundError:
        profile = None
    if profile is None:
        yield CheckFailed(f"the messaging profile {profile_id} does not exist: give its agent and numbers another one")
        return
    if profile.enabled is False:
        yield CheckFailed(f"the messaging profile {profile_id} is disabled (40312): enable it in Mission Control")
    if profile.redaction_enabled:
        yield CheckFailed(
            f"the messaging profile {profile_id} redacts numbers and texts, so that no fallback can be sent."
            " Next: turn redaction off, or let another profile send RCS"
        )
    if profile.features is not None and profile.features.ai_opt_out_detection_enabled is False:
        yield Warned(
            f"the messaging profile {profile_id} detects opt-out words only, and people opt out in sentences too."
            " Next: turn on AI opt-out detection there"
        )


def _masked(sender: str) -> str:
    return sender if sender == POOL else mask_number(sender)
