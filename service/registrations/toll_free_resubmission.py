"""Changing a toll-free verification request: Telnyx replaces the whole of it, so all that it holds is sent back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from telnyx import AsyncTelnyx

from service.registrations.toll_free_submission import WIRE_NAMES, InvalidSubmission, known_field, read_submission
from service.registrations.toll_free_wording import refuse_wrong_opt_in

_LISTS = {"phoneNumbers": "phoneNumber", "optInWorkflowImageURLs": "url"}
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Resubmission:
    """The current and the new form of a request, by Telnyx's names; only fields that PATCH accepts."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def changed(self) -> list[str]:
        """The fields that become others."""
        fields = {**self.before, **self.after}
        return [each for each in fields if self.before.get(each) != self.after.get(each)]

    def doubts(self) -> list[str]:
        """Yield Telnyx's possible objections to the unchanged fields.

        Raises:
            InvalidSubmission: a field that was named does not fit, or a required one is missing.
        """
        try:
            refuse_wrong_opt_in(read_submission(self.after))
        except InvalidSubmission as error:
            own = {
                each: said for each, said in error.problems.items() if each in self.changed or each not in self.after
            }
            if own:
                raise InvalidSubmission(own) from None
            return [f"{each}: {said}" for each, said in error.problems.items()]
        return []


async def retrieve_raw(telnyx: AsyncTelnyx, request_id: str) -> dict[str, Any]:
    """A request just as Telnyx shows it, so that nothing is lost which the SDK does not know.

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
    fields: Any = {name: resubmission.after[wire] for name, wire in WIRE_NAMES.items() if wire in resubmission.after}
    await telnyx.messaging_tollfree.verification.requests.update(request_id, **fields)


def prepare(raw: Mapping[str, Any], assignments: Iterable[str]) -> Resubmission:
    """Everything in a request that PATCH accepts, with the fields of `FIELD=VALUE` changed; an empty value clears one.

    Raises:
        InvalidSubmission: an assignment is none, or names a field that PATCH does not accept.
    """
    before = {wire: raw[wire] for wire in WIRE_NAMES.values() if raw.get(wire) is not None}
    named = dict(_read(each) for each in assignments)
    after = {field: value for field, value in {**before, **named}.items() if value is not None}
    return Resubmission(before, after)


def _read(assignment: str) -> tuple[str, Any]:
    name, equals, text = assignment.partition("=")
    if not equals:
        raise InvalidSubmission({assignment: "write FIELD=VALUE"})
    field = known_field(name.strip())
    if not text:
        return field, None
    if field in _LISTS:
        return field, [{_LISTS[field]: each.strip()} for each in text.split(",")]
    return field, _BOOLEANS.get(text.lower(), text) if field == "ageGatedContent" else text
