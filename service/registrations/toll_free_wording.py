"""Wording that Telnyx is likely to reject in a toll-free verification request.

Source: support.telnyx.com, 15138019, the frequent reasons for rejection.
"""

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from service.registrations.toll_free_submission import WIRE_NAMES, InvalidSubmission, TollFreeSubmission

MOST_NUMBERS = 5


def _said(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_NOT = r"(?<!not )(?<!never )(?<!n't )"

WRONG_OPT_INS = (
    (
        _said(
            _NOT
            + r"(required to (opt.?in|consent|agree to (receive )?(texts|sms|messages)|receive (texts|sms|messages))"
            r"|mandatory (opt.?in|consent)|(opt.?in|consent)(ing)? is (required|mandatory))"
        ),
        "opt-in must be optional, and this says that it is required",
    ),
    (
        _said(
            r"by (agreeing to|accepting|signing) (the|our|these) (terms|privacy|contract)"
            r"|agree(ing|s)? to (the|our) (terms|privacy)[^.]{0,60}\band\b[^.]{0,40}(texts|sms|messages)"
        ),
        "consent to texts must not be bundled with terms: it needs a box and a sentence of its own",
    ),
    (
        _said(
            _NOT + r"(automatically (opted|opt|enrol|subscrib)\w*|opted in by default|pre-?(checked|ticked|selected))"
        ),
        "people must opt in themselves, and this says that it is done for them",
    ),
    (
        _said(_NOT + r"(purchased?|bought|rented?|third.party) (contact |phone |marketing )?(lists?|leads?|data)"),
        "numbers must come from people who opted in with this business, not from others",
    ),
)

_STOP = _said(r"\bSTOP\b|unsubscribe|opt out")


def refuse_wrong_opt_in(submission: TollFreeSubmission) -> None:
    """Make sure that the opt-in is not one that is always sent back.

    Raises:
        InvalidSubmission: it is.
    """
    for pattern, problem in WRONG_OPT_INS:
        if pattern.search(submission.opt_in_workflow):
            raise InvalidSubmission({WIRE_NAMES["opt_in_workflow"]: problem})


def doubts(submission: TollFreeSubmission) -> Iterator[str]:
    """Yield doubts about a request that nothing forbids."""
    return (f"{WIRE_NAMES[field]}: {doubt}" for field, applies, doubt in _DOUBTS if applies(submission))


def _lacks_stop(submission: TollFreeSubmission) -> bool:
    said = (submission.production_message_content, submission.opt_in_confirmation_response, submission.opt_in_workflow)
    return not any(text and _STOP.search(text) for text in said)


def _other_domain(submission: TollFreeSubmission) -> bool:
    host = (urlsplit(submission.corporate_website).hostname or "").removeprefix("www.")
    domain = submission.business_contact_email.rpartition("@")[2].lower()
    return not (host == domain or host.endswith(f".{domain}") or domain.endswith(f".{host}"))


def _unregistered(submission: TollFreeSubmission) -> bool:
    return not (
        submission.business_registration_number
        and submission.business_registration_type
        and submission.business_registration_country
    )


_DOUBTS: tuple[tuple[str, Callable[[TollFreeSubmission], bool], str], ...] = (
    ("production_message_content", _lacks_stop, 'nothing says how to opt out ("Reply STOP to opt out")'),
    ("business_contact_email", _other_domain, "is not at the domain of corporateWebsite"),
    (
        "phone_numbers",
        lambda submission: len(submission.phone_numbers) > MOST_NUMBERS,
        "more than five need a justification in additionalInformation",
    ),
    (
        "business_registration_number",
        _unregistered,
        "Telnyx rejects requests without number, type and country of the registration since 17 February 2026",
    ),
)
