"""Notifications of 10DLC: what happened, what it stops, and the remedy. Pure. See `remedies.toml`."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from service.events import BrandStatusChanged, CampaignStatusChanged, NumberAssignmentStatusChanged, read_time
from service.registrations.notice_text import NoticeText
from service.registrations.status_changes import Known
from service.registrations.ten_dlc import kinds
from service.registrations.ten_dlc.updates import Said

LONGEST_REASON = 200
WARNED_BEFORE = 14 * 86400.0
"""Seconds before its end from which on people are notified of a campaign."""
StatusChanged = BrandStatusChanged | CampaignStatusChanged | NumberAssignmentStatusChanged


@dataclass(frozen=True, slots=True)
class Remedy:
    """The remedy of a status: a text for a person, and the command that helps."""

    text: str
    mend: str

    def about(self, registration: str, campaign: str | None = None) -> "Remedy":
        """Return it with the id of the registration, and of its campaign, in the command."""
        return Remedy(self.text, self.mend.format(id=registration, campaign=campaign or "CAMPAIGN"))


_DATA = tomllib.loads((files(__package__) / "remedies.toml").read_text("utf-8"))
_KINDS: tuple[kinds.Kind, ...] = (kinds.BRAND, kinds.CAMPAIGN, kinds.NUMBER)
REMEDIES = {(kind, status): Remedy(**each) for kind in _KINDS for status, each in _DATA[kind].items()}
"""By kind and status."""
_REJECTIONS = [
    (re.compile(each["reason"], re.IGNORECASE), Remedy(each["text"], each["mend"])) for each in _DATA["rejection"]
]
_SHARED = Remedy(**_DATA["shared"])
_WORDS = {kinds.BRAND: "brand", kinds.CAMPAIGN: "campaign", kinds.NUMBER: "number"}


def remedy_for(kind: kinds.Kind, status: str, reason: str | None, *, shared: bool = False) -> Remedy | None:
    """Return the remedy for a status, or None where nobody has to act. `shared`: the campaign is another provider's."""
    remedy = REMEDIES.get((kind, status))
    if remedy is None or kind != kinds.CAMPAIGN or status not in kinds.APPEALABLE:
        return remedy
    more = _SHARED if shared else next(each for pattern, each in _REJECTIONS if pattern.search(reason or ""))
    return Remedy(f"{remedy.text}. {more.text}", more.mend)


@dataclass(frozen=True, slots=True)
class StoppedNumbers:
    """The numbers of SMS fallbacks that a registration stops. They `wait`, unless a pool has others that can send."""

    numbers: Sequence[str] = ()
    wait: bool = False

    def __str__(self) -> str:
        """Return it as a sentence."""
        named = ", ".join(self.numbers)
        if self.wait:
            return f"SMS fallbacks from {named} wait for it"
        return f"{named} is in a number pool that SMS fallbacks go out from, and its other numbers still send"


def told_of(kind: kinds.Kind, change: StatusChanged, stopped: StoppedNumbers) -> NoticeText | None:
    """Return the notification of a change, or None where nobody has to act."""
    shared = isinstance(change, CampaignStatusChanged) and change.shared
    remedy = remedy_for(kind, change.status, change.reason, shared=shared)
    if remedy is None:
        return None
    campaign = change.campaign_id if isinstance(change, NumberAssignmentStatusChanged) else change.id
    remedy = remedy.about(change.id, campaign)
    parts = [f"{_named(kind, change)}: {remedy.text}"]
    parts += [f"Reason: {_short(change.reason)}"] if change.reason else []
    parts += [str(stopped)] if stopped.numbers else []
    cause = f"10DLC {_WORDS[kind]}: {change.status}"
    loud = f"SMS fallbacks are stopped: {cause}" if stopped.wait else f"a sender of SMS fallbacks: {cause}"
    return NoticeText(loud if stopped.numbers else cause, ". ".join(parts), remedy.mend, bool(stopped.numbers))


def told_of_end(kind: kinds.Kind, change: StatusChanged) -> NoticeText | None:
    """Return the notification that a campaign or a number can send now, or None where that is nothing new."""
    ends = change.previous is not None and change.previous not in kinds.REGISTERED
    if kind == kinds.CAMPAIGN and ends and change.status in kinds.REGISTERED:
        command = f"ringback campaigns show {change.id}"
    elif kind == kinds.NUMBER and change.status == "ASSIGNED" and change.previous in kinds.NEEDS_PERSON[kind]:
        command = "ringback campaigns list"
    else:
        return None
    text = f"{_named(kind, change)}: {change.status}, after {change.previous}"
    return NoticeText(f"10DLC {_WORDS[kind]}: can send", text, command)


def told_of_nudge(campaign: str, said: Said) -> NoticeText:
    """Return the notification that a provider has asked for another review."""
    more = f": {_short(said.reason)}" if said.reason else ""
    text = f"campaign {campaign} was nudged and is reviewed again{more}. Nothing is to be done until its next status"
    return NoticeText("10DLC campaign: nudged", text, f"ringback campaigns show {campaign}")


def told_of_doubt(campaign: str, said: Said, status: str) -> NoticeText:
    """Return the notification that the API does not show what an event says."""
    who = f" by {said.carrier}" if said.carrier else ""
    shows = f"and the API shows {status}. No SMS waits for it"
    text = f"Telnyx reports that campaign {campaign} is {said.meaning}{who}, {shows}"
    return NoticeText(f"10DLC campaign: {said.meaning}, not confirmed", text, f"ringback campaigns show {campaign}")


def told_of_end_date(campaign: str, known: Known, now: float) -> NoticeText | None:
    """Return the notification that a campaign expires soon. Return None if it does not, or sends nothing anyway.

    `now` is in seconds since 1970.
    """
    ends_at = read_time(known.about.get("ends_at"))
    if ends_at is None or known.status in kinds.SENDS_NOTHING or not 0 < ends_at.timestamp() - now < WARNED_BEFORE:
        return None
    text = f"campaign {campaign} expires on {ends_at:%Y-%m-%d}, since it is not renewed. Let it renew at Telnyx"
    return NoticeText("10DLC campaign: expires soon", text, f"ringback campaigns show {campaign}")


def _named(kind: kinds.Kind, change: StatusChanged) -> str:
    if isinstance(change, NumberAssignmentStatusChanged):
        return f"number {change.phone_number or change.id} of campaign {change.campaign_id or '-'}"
    registry = f" ({change.tcr_id})" if change.tcr_id and change.tcr_id != change.id else ""
    return f"{_WORDS[kind]} {change.id}{registry}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"
