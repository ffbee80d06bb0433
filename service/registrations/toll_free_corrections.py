"""Corrections of a toll-free verification request, from the reason of its rejection.

Source: support.telnyx.com, 15138019, the frequent reasons for rejection.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Correction:
    """A pattern of reasons, and the correction; `resubmit` is False where a resubmission does not help."""

    said: re.Pattern[str]
    advice: str
    resubmit: bool = True


def _said(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


CORRECTIONS = (
    Correction(
        _said(r"\bEIN\b|tax id|registration number|legal (business )?name|name (does not|doesn.t|mismatch)"),
        "the registration number does not fit the legal name: do not resubmit, write to tfverification@telnyx.com",
        resubmit=False,
    ),
    Correction(
        _said(r"opt.?in\b.{0,60}(optional|required|mandatory|forced)|(forced|mandatory|required) (opt.?in|consent)"),
        "opt-in must be optional: show in optInWorkflow that nothing depends on agreeing to texts",
    ),
    Correction(
        _said(r"(bundled|combined|separate|same).{0,60}(terms|privacy|consent)|(terms|consent).{0,60}bundled"),
        "consent must not be bundled with terms: give it a box and a sentence of its own",
    ),
    Correction(
        _said(r"\bSTOP\b|opt.?out (language|instructions?|wording)|unsubscribe"),
        'say how to opt out ("Reply STOP to opt out") in productionMessageContent',
    ),
    Correction(
        _said(r"(sample|message content|production message).{0,80}(use.?case|match)|use.?case.{0,60}(sample|match)"),
        "productionMessageContent must be a message of the useCase that was chosen",
    ),
    Correction(
        _said(r"e-?mail.{0,60}(domain|match|website)|domain.{0,60}e-?mail"),
        "businessContactEmail must be at the domain of corporateWebsite",
    ),
    Correction(
        _said(r"(on|from) (the|your) (website|web ?page)|(website|web ?page|\burl)\b.{0,40}(not|\bun|invalid|missing)"),
        "corporateWebsite must be reachable and show the business's name, address and phone number",
    ),
    Correction(
        _said(r"(more than|over) (5|five) (toll.?free )?numbers|number of (toll.?free )?numbers|multiple numbers"),
        "more than five numbers need a justification in additionalInformation",
    ),
)


def corrections(reason: str | None) -> list[Correction]:
    """Return the corrections that the reason asks for, where it is one of the frequent ones."""
    return [each for each in CORRECTIONS if reason and each.said.search(reason)]
