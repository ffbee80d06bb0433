"""Resubmissions of toll-free verification requests, and wording that Telnyx is likely to reject.

Telnyx replaces the whole of a request, so all that it holds is sent back. Source of the wordings: support.telnyx.com,
15138019, the frequent reasons for rejection.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from telnyx import AsyncTelnyx

from service.registrations import toll_free_submission as submissions
from service.registrations.submission_fields import InvalidSubmission

MOST_NUMBERS = 5
_LISTS = {"phoneNumbers": "phoneNumber", "optInWorkflowImageURLs": "url"}
_BOOLEANS = {"true": True, "false": False}
_STOP = re.compile(r"\bSTOP\b|unsubscribe|opt out", re.IGNORECASE)

_TABLE = tomllib.loads((files(__package__) / "wrong_opt_ins.toml").read_text("utf-8"))
WRONG_OPT_INS: list[tuple[str, str]] = [(each["pattern"], each["problem"]) for each in _TABLE["wrong_opt_in"]]
"""Patterns of an opt-in workflow, without regard to case, and the problem of each."""


def refuse_wrong_opt_in(submission: submissions.TollFreeSubmission) -> None:
    """Refuse an opt-in that is always sent back.

    Raises:
        InvalidSubmission: it is.
    """
    for pattern, problem in WRONG_OPT_INS:
        if re.search(pattern, submission.opt_in_workflow, re.IGNORECASE):
            raise InvalidSubmission({submissions.WIRE_NAMES["opt_in_workflow"]: problem})


def doubts(submission: submissions.TollFreeSubmission) -> Iterator[str]:
    """Yield doubts about a request that nothing forbids."""
    return (f"{submissions.WIRE_NAMES[field]}: {doubt}" for field, applies, doubt in _DOUBTS if applies(submission))


def _lacks_stop(submission: submissions.TollFreeSubmission) -> bool:
    said = (submission.production_message_content, submission.opt_in_confirmation_response, submission.opt_in_workflow)
    return not any(text and _STOP.search(text) for text in said)


def _other_domain(submission: submissions.TollFreeSubmission) -> bool:
    host = (urlsplit(submission.corporate_website).hostname or "").removeprefix("www.")
    domain = submission.business_contact_email.rpartition("@")[2].lower()
    return not (host == domain or host.endswith(f".{domain}") or domain.endswith(f".{host}"))


_DOUBTS: tuple[tuple[str, Callable[[submissions.TollFreeSubmission], bool], str], ...] = (
    ("production_message_content", _lacks_stop, 'nothing says how to opt out ("Reply STOP to opt out")'),
    ("business_contact_email", _other_domain, "is not at the domain of corporateWebsite"),
    (
        "phone_numbers",
        lambda submission: len(submission.phone_numbers) > MOST_NUMBERS,
        "more than five need a justification in additionalInformation",
    ),
    (
        "business_registration_number",
        lambda submission: bool(submissions.missing_registration(submission.model_dump(by_alias=True))),
        "Telnyx rejects requests without number, type and country of the registration since 17 February 2026",
    ),
)


@dataclass(frozen=True, slots=True)
class Resubmission:
    """The current and the new form of a request, by Telnyx's names. Only fields that PATCH accepts."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def changed(self) -> list[str]:
        """The fields that change."""
        fields = {**self.before, **self.after}
        return [each for each in fields if self.before.get(each) != self.after.get(each)]

    def doubts(self) -> list[str]:
        """Return Telnyx's possible objections to the unchanged fields.

        Raises:
            InvalidSubmission: a field that was named does not fit, or a required one is missing.
        """
        try:
            refuse_wrong_opt_in(submissions.read_submission(self.after))
        except InvalidSubmission as error:
            problems = error.problems
            own = {name: problems[name] for name in problems if name in self.changed or name not in self.after}
            if own:
                raise InvalidSubmission(own) from None
            return [f"{name}: {problem}" for name, problem in problems.items()]
        return []


async def retrieve_raw(telnyx: AsyncTelnyx, request_id: str) -> dict[str, Any]:
    """Return a request just as Telnyx shows it, with fields that the SDK does not know.

    Raises:
        telnyx.APIError: Telnyx refuses, or cannot be reached.
    """
    requests = telnyx.messaging_tollfree.verification.requests
    response = await requests.with_raw_response.retrieve(request_id)
    raw: Any = await response.json()
    return dict(raw)


async def resubmit(telnyx: AsyncTelnyx, request_id: str, resubmission: Resubmission) -> None:
    """Send the whole request back, which puts it in review again and un-verifies its numbers.

    Raises:
        telnyx.APIError: Telnyx refuses, or cannot be reached.
    """
    fields: Any = {
        name: resubmission.after[wire] for name, wire in submissions.WIRE_NAMES.items() if wire in resubmission.after
    }
    await telnyx.messaging_tollfree.verification.requests.update(request_id, **fields)


def prepare(raw: Mapping[str, Any], assignments: Iterable[str]) -> Resubmission:
    """Return everything in a request that PATCH accepts, changed by `FIELD=VALUE`. An empty value clears a field.

    Raises:
        InvalidSubmission: an assignment is none, or names a field that PATCH does not accept.
    """
    before = {wire: raw[wire] for wire in submissions.WIRE_NAMES.values() if raw.get(wire) is not None}
    named = dict(_read(each) for each in assignments)
    after = {field: value for field, value in {**before, **named}.items() if value is not None}
    return Resubmission(before, after)


def _read(assignment: str) -> tuple[str, Any]:
    name, equals, text = assignment.partition("=")
    if not equals:
        raise InvalidSubmission({assignment: "write FIELD=VALUE"})
    field = submissions.known_field(name.strip())
    if not text:
        return field, None
    if field in _LISTS:
        return field, [{_LISTS[field]: each.strip()} for each in text.split(",")]
    return field, _BOOLEANS.get(text.lower(), text) if field == "ageGatedContent" else text
