"""Readings of brands, campaigns and numbers: from the rows of lists, or one by one. No answer is trusted in its form.

A row of a list has the fields that a reading needs. Only the state at each carrier has an operation of its own.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from telnyx import APIStatusError, AsyncTelnyx, NotFoundError

from service import clock
from service.events.tolerant_model import list_of
from service.outbound.carriers import carrier_of
from service.outbound.gate import OTHER_CARRIERS, T_MOBILE
from service.registrations.status_changes import Known, Reading, Status
from service.registrations.ten_dlc import kinds
from service.registrations.ten_dlc.updates import Said

NO_SUCH_ID = (400, 404, 422)
"""Answers to an id that is none of these. A registry's id is no UUID."""


def brand_reading(brand: Any) -> Reading:
    """Return the reading of a brand. A registered one has the status of its identity."""
    registration, identity = _text(brand, "status"), _text(brand, "identity_status")
    status = registration if registration not in (None, "OK") else identity or registration or "unknown"
    details = {"tcr_id": _text(brand, "tcr_brand_id"), "name": _text(brand, "display_name")}
    now = Status(status, _reason(brand))
    return Reading([now], details, _version(now, _text(brand, "updated_at")), {"tcr_id": details["tcr_id"]})


def campaign_reading(campaign: Any, *, suspended_by: Iterable[str] = ()) -> Reading:
    """Return the reading of a campaign. `suspended_by` are carriers, T-Mobile apart, for which it has a field."""
    own = _text(campaign, "campaign_id")
    of_t_mobile = [T_MOBILE] if getattr(campaign, "is_t_mobile_suspended", None) is True else []
    carriers = sorted({*of_t_mobile, *suspended_by})
    general = _campaign_status(campaign)
    sends = general not in kinds.SENDS_NOTHING
    now = Status(kinds.SUSPENDED, ", ".join(carriers)) if carriers and sends else Status(general, _reason(campaign))
    details = {
        "tcr_id": _text(campaign, "tcr_campaign_id"),
        "brand_id": _text(campaign, "brand_id") or _text(campaign, "tcr_brand_id"),
        "shared": own is None,
        "carriers": carriers if sends else [],
    }
    ends_at = _ends_at(campaign)
    about = {name: details[name] for name in ("tcr_id", "shared", "carriers")} | {"ends_at": ends_at}
    return Reading([now], details, _version(Status(general, _reason(campaign)), ends_at), about)


def number_reading(number: Any) -> Reading:
    """Return the reading of a number's assignment, without the number itself."""
    status, lost = _text(number, "assignment_status") or "unknown", _lost_at(number)
    reason = _reason(number)
    if status == "ASSIGNED" and lost:
        status, reason = kinds.CARRIER_FAILED, ", ".join(lost)
    campaign = _text(number, "telnyx_campaign_id") or _text(number, "campaign_id")
    details = {"campaign_id": campaign, "tcr_campaign_id": _text(number, "tcr_campaign_id"), "carriers": lost}
    now = Status(status, reason, within=campaign)
    return Reading([now], details, _version(now), {"campaign": campaign, "carriers": lost})


def gone(status: str, before: Known | None) -> Reading:
    """Return the reading of a registration that the API does not find."""
    about = before.about if before else {}
    details = {"tcr_id": about.get("tcr_id"), "campaign_id": about.get("campaign")}
    named = {name: value for name, value in details.items() if value is not None}
    return Reading([Status(status)], named, _version(Status(status)), about)


def as_news(reading: Reading) -> Reading:
    """Return the first reading of a registration that is new to the account. Unless it only begins, it is a change."""
    history = [replace(each, urgent=each.urgent or each.status not in kinds.BEGINNINGS) for each in reading.history]
    return replace(reading, history=history)


def overlaid(reading: Reading, before: Known | None, said: Said) -> Reading:
    """Return a reading with the status that only an event tells, and with the reason that the event gives.

    A status from an event holds until the API shows another state than at that time.
    """
    [now] = reading.history
    if before is not None and now.status not in kinds.REGISTERED | kinds.NEEDS_PERSON[kinds.CAMPAIGN]:
        # A review after a rejection or a suspension: carriers take nothing until it ends well.
        stopped = before.status in kinds.SENDS_NOTHING or bool(before.about.get("stopped"))
        reading = replace(reading, about={**reading.about, "stopped": True}) if stopped else reading
    told = said.reason if said.reason and not now.reason else None
    remembered = before.about.get("overlay") if before and before.version == reading.version else None
    overlay = said.overlay or (None if said.meaning == "verified" else remembered)
    if overlay is None or now.status in kinds.SENDS_NOTHING | {"REGISTRATION_FAILED"}:
        return replace(reading, history=[replace(now, told=told)])
    told_at = clock.now() if said.at is None else said.at
    since = told_at if said.overlay or before is None else before.about.get("overlay_since")
    about = {**reading.about, "overlay": overlay, "overlay_since": since}
    return replace(reading, history=[Status(overlay, told=told)], about=about)


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign at Telnyx, and its id: Telnyx's, or for a shared one the registry's."""

    id: str
    row: Any


async def find_brand(telnyx: AsyncTelnyx, brand_id: str) -> Any | None:
    """Return a brand by either id, or None. Raises telnyx.APIError if Telnyx refuses otherwise."""
    try:
        return await telnyx.messaging_10dlc.brand.retrieve(brand_id)
    except APIStatusError as error:
        _raise_unless_unknown(error)
        return None


async def find_campaign(telnyx: AsyncTelnyx, campaign_id: str) -> Campaign | None:
    """Return a campaign of ours or a shared one, by either id, or None.

    Raises:
        telnyx.APIError: Telnyx refuses otherwise, or cannot be reached.
    """
    ten_dlc = telnyx.messaging_10dlc
    try:
        own = await ten_dlc.campaign.retrieve(campaign_id)
        return Campaign(own.campaign_id or campaign_id, own)
    except APIStatusError as error:
        _raise_unless_unknown(error)
    try:
        shared = await ten_dlc.partner_campaigns.retrieve(campaign_id)
        return Campaign(shared.tcr_campaign_id or campaign_id, shared)
    except APIStatusError as error:
        _raise_unless_unknown(error)
        return None


async def find_number(telnyx: AsyncTelnyx, number: str) -> Any | None:
    """Return the assignment of a number, or None. Raises telnyx.APIError if Telnyx refuses otherwise."""
    try:
        return await telnyx.messaging_10dlc.phone_number_campaigns.retrieve(number)
    except NotFoundError:
        return None


async def carrier_states(telnyx: AsyncTelnyx, campaign_id: str) -> dict[str, str]:
    """Return the state of a campaign at each carrier, by its one name. Empty where Telnyx does not say.

    Raises:
        telnyx.APIError: Telnyx is out, or cannot be reached.
    """
    found = await _operation_states(telnyx, campaign_id)
    has_ids = any(name.isdecimal() for name, _ in found)
    names = await _mno_names(telnyx, campaign_id) if has_ids else {}
    listed = ((names.get(name, name), state) for name, state in found)
    return {carrier_of(name) or name: state for name, state in listed}


async def suspending_carriers(telnyx: AsyncTelnyx, campaign_id: str) -> list[str]:
    """Return the carriers at which a campaign is suspended. Empty where Telnyx does not say.

    Raises:
        telnyx.APIError: Telnyx is out, or cannot be reached.
    """
    found = [name for name, state in await _operation_states(telnyx, campaign_id) if is_suspended(state)]
    # The names of carriers are asked for only where one suspends the campaign.
    names = await _mno_names(telnyx, campaign_id) if any(name.isdecimal() for name in found) else {}
    return sorted({carrier_of(names.get(name, name)) or names.get(name, name) for name in found})


def is_suspended(state: str) -> bool:
    """Return whether a carrier's state of a campaign says that it is suspended."""
    return "SUSPEND" in state.upper() and "UNSUSPEND" not in state.upper()


async def _operation_states(telnyx: AsyncTelnyx, campaign_id: str) -> list[tuple[str, str]]:
    """Return name or id and state of each carrier. Empty where Telnyx does not say."""
    try:
        return _states(await telnyx.messaging_10dlc.campaign.get_operation_status(campaign_id))
    except APIStatusError as error:
        _raise_unless_unknown(error, also=(403,))
        return []


def _states(answer: object) -> list[tuple[str, str]]:
    """Return name or id and state of each carrier, whatever the form of the answer: it is not published."""
    entries = answer.items() if isinstance(answer, Mapping) else enumerate(list_of(answer))
    found = []
    for key, value in entries:
        fields = value if isinstance(value, Mapping) else {"status": value}
        name = next((fields[each] for each in ("mno", "mnoName", "mnoId", "networkId") if fields.get(each)), key)
        state = next((fields[each] for each in ("status", "operationStatus", "state") if fields.get(each)), "")
        found.append((str(name), str(state)))
    return found


async def _mno_names(telnyx: AsyncTelnyx, campaign_id: str) -> dict[str, str]:
    try:
        answer = (await telnyx.messaging_10dlc.campaign.get_mno_metadata(campaign_id)).to_dict(mode="json")
    except APIStatusError as error:
        _raise_unless_unknown(error, also=(403,))
        return {}
    return {key: str(value["mno"]) for key, value in answer.items() if isinstance(value, dict) and value.get("mno")}


def _campaign_status(campaign: Any) -> str:
    if (_text(campaign, "status") or "").upper() == "EXPIRED":
        return "TCR_EXPIRED"
    if (_text(campaign, "status") or "").upper() == kinds.DORMANT:
        return kinds.DORMANT
    submission = {"FAILED": "TCR_FAILED", "PENDING": "TCR_PENDING", "CREATED": "TCR_PENDING"}
    return _text(campaign, "campaign_status") or submission.get(_text(campaign, "submission_status") or "", "unknown")


def _ends_at(campaign: Any) -> str | None:
    """Return when a campaign expires that is not renewed. Source: SDK 4.189, `TelnyxCampaignCsp`."""
    if getattr(campaign, "auto_renewal", None) is not False:
        return None
    return _text(campaign, "next_renewal_or_expiration_date")


def _lost_at(number: Any) -> list[str]:
    mapped = {T_MOBILE: "tmobile_number_mapping_status", OTHER_CARRIERS: "non_tmobile_number_mapping_status"}
    failed = ("FAIL", "DELET", "REJECT")
    return [
        name for name, field in mapped.items() if any(each in (_text(number, field) or "").upper() for each in failed)
    ]


def _reason(row: Any) -> str | None:
    """Return the reasons for a failure. The SDK says a text, and webhooks have lists of texts or objects."""
    told = [each.get("description") if isinstance(each, Mapping) else each for each in list_of(row.failure_reasons)]
    return "; ".join(str(each) for each in told if each) or None


def _text(row: Any, field: str) -> str | None:
    value = getattr(row, field, None)
    return value if isinstance(value, str) and value else None


def _version(status: Status, *more: str | None) -> str:
    return hashlib.sha256("\x1f".join((status.mark, *(each or "" for each in more))).encode()).hexdigest()[:16]


def _raise_unless_unknown(error: APIStatusError, also: tuple[int, ...] = ()) -> None:
    if error.status_code not in (*NO_SUCH_ID, *also):
        raise error
