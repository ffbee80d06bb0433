"""Notifications of toll-free verification requests that wait for a person, with corrections for a rejection.

Source of the corrections: support.telnyx.com, 15138019, the frequent reasons for rejection.
"""

import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files

from service.events import TollFreeStatusChanged
from service.registrations.notice_text import NoticeText
from service.security.masking import mask_number

LONGEST_REASON = 200
MOST_NUMBERS = 3
REMIND_AFTER = (1, 3, 7)
"""Days from one reminder to the next. The last is repeated for as long as the request waits."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction for the reasons that fit a pattern. `resubmit` is False where a resubmission does not help."""

    reason: str
    advice: str
    resubmit: bool = True


_REJECTIONS = tomllib.loads((files(__package__) / "toll_free_rejections.toml").read_text("utf-8"))
CORRECTIONS = [Correction(**each) for each in _REJECTIONS["correction"]]


def corrections(reason: str | None) -> list[Correction]:
    """Return the corrections that the reason asks for, where it is one of the frequent ones."""
    return [each for each in CORRECTIONS if reason and re.search(each.reason, reason, re.IGNORECASE)]


def told_of(change: TollFreeStatusChanged) -> NoticeText:
    """Return the notification of a rejected request, with corrections for the frequent reasons."""
    numbers = ", ".join(map(mask_number, change.phone_numbers[:MOST_NUMBERS]))
    others = len(change.phone_numbers) - MOST_NUMBERS
    more = f" and {others} more" if others > 0 else ""
    reason = (change.reason or "no reason was given")[:LONGEST_REASON]
    wanted = corrections(change.reason)
    advice = "".join(f" - {each.advice}" for each in wanted)
    show = f"ringback tollfree show {change.id}"
    resubmit = f"ringback tollfree resubmit {change.id} --set FIELD=VALUE"
    return NoticeText(
        cause=f"toll-free verification is {change.status}",
        text=f"{change.business_name or change.id} ({numbers}{more}): {reason}{advice}",
        mend=resubmit if all(each.resubmit for each in wanted) else show,
    )


def reminder_delay(number: int) -> float:
    """Return the seconds until the reminder of this number, from 1 on."""
    return 86400.0 * REMIND_AFTER[min(number, len(REMIND_AFTER)) - 1]
