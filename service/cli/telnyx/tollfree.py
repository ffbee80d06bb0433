"""`ringback tollfree`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from telnyx import APIConnectionError, AsyncTelnyx, BadRequestError, InternalServerError, NotFoundError, omit

from service.cli.masked_output import show_list, shown_within
from service.cli.options import JsonOption, RevealOption, YesOption
from service.cli.output import BAD_USAGE, confirm, fail, say, say_json
from service.cli.telnyx.session import with_telnyx
from service.cli.telnyx.toml_file import read_toml
from service.outbound.list_pages import rows_of
from service.registrations import toll_free_submission
from service.registrations.status_changes import Status
from service.registrations.submission_fields import InvalidSubmission
from service.registrations.toll_free import read_history
from service.registrations.toll_free_submission import TollFreeSubmission, missing_registration
from service.registrations.toll_free_wording import Resubmission, doubts, prepare, refuse_wrong_opt_in, retrieve_raw
from service.registrations.toll_free_wording import resubmit as send
from service.security.masking import mask_number, mask_numbers
from service.settings import load

VERIFIED = "Verified"
REJECTED = "Rejected"

tollfree = typer.Typer(help="Toll-free verification: list, submit and correct requests.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="The id of a request, as `list` shows it.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Also if it un-verifies a number, or lacks a registration.")]


@tollfree.command("list")
def list_requests(
    *,
    status: Annotated[str | None, typer.Option(help='Only these, "Rejected" for example.')] = None,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """List all verification requests.

    Exit codes: 0 listed, 1 Telnyx refuses, 2 bad usage.
    """
    found = [shown(each, reveal=reveal) for each in with_telnyx(lambda telnyx: _all(telnyx, status=status))]
    columns, none = "id, status, business, numbers, changed, reason", "There are no verification requests."
    show_list(found, columns, _row, none, as_json=as_json, reveal=True)


@tollfree.command("show")
def show(request_id: Id, *, as_json: JsonOption = False, reveal: RevealOption = False) -> None:
    """Show all fields of a request, and its history.

    Exit codes: 0 shown, 1 there is none of that id or Telnyx refuses, 2 bad usage.
    """
    request, history = with_telnyx(lambda telnyx: _with_history(telnyx, request_id))
    visible = shown(request, reveal=reveal)
    if as_json:
        entries = [{"verificationStatus": each.status, "reason": each.reason, "updatedAt": each.at} for each in history]
        say_json(visible | {"statusHistory": [shown(each, reveal=reveal) for each in entries]})
        return
    say(*(f"{field}: {in_words(value)}" for field, value in visible.items() if value is not None), "history:")
    for each in history:
        reason = each.reason if reveal or not each.reason else mask_numbers(each.reason)
        at = each.at.isoformat(timespec="seconds") if each.at else "at an unknown time"
        say(f"  {at}  {each.status}" + (f": {reason}" if reason else ""))


@tollfree.command("submit")
def submit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A TOML file with the fields of the request.")],
    *,
    force: ForceOption = False,
    yes: YesOption = False,
) -> None:
    """Check a request field by field, and submit it for review.

    Exit codes: 0 submitted, 1 refused or not confirmed, 2 the file is invalid and nothing was sent.
    """
    try:
        submission = toll_free_submission.read_submission(read_toml(file))
        refuse_wrong_opt_in(submission)
    except InvalidSubmission as error:
        _refuse_fields(error.problems, f"{file}: ")
        raise
    if not force:
        _refuse_fields(missing_registration(submission.model_dump(by_alias=True)), f"{file}: ")
    _warn(doubts(submission))
    if not force:
        _refuse_verified_numbers({each.phone_number for each in submission.phone_numbers})
    confirm(f"Submit this for {submission.business_name}?", yes=yes, dry_run=load().dry_run)
    created = with_telnyx(lambda telnyx: _create(telnyx, submission))
    say(f"{created.id} submitted: {created.verification_status}")


@tollfree.command("resubmit")
def resubmit(
    request_id: Id,
    *,
    changes: Annotated[list[str], typer.Option("--set", metavar="FIELD=VALUE", help="A new value. May be repeated.")],
    force: ForceOption = False,
    yes: YesOption = False,
    reveal: RevealOption = False,
) -> None:
    """Change fields of a request and send it back for review, with all its other fields unchanged.

    Lists take commas between their entries. An empty value clears an optional field.

    Exit codes: 0 sent, 1 refused or not confirmed, 2 a field is invalid and nothing was sent.
    """
    raw, resubmission = _prepared(request_id, changes)
    if not resubmission.changed:
        fail(f"nothing would change in {request_id}", code=BAD_USAGE)
    if not force:
        _refuse_fields(missing_registration(resubmission.after))
    was, will_be = shown(resubmission.before, reveal=reveal), shown(resubmission.after, reveal=reveal)
    for field in resubmission.changed:
        say(f"- {field}: {in_words(was.get(field))}", f"+ {field}: {in_words(will_be.get(field))}")
    if raw.get("verificationStatus") == VERIFIED and not force:
        fail("This request is Verified: sending it back un-verifies its numbers. --force does it.")
    confirm(f"Send {request_id} back for review?", yes=yes, dry_run=load().dry_run)
    with_telnyx(lambda telnyx: send(telnyx, request_id, resubmission))
    say(f"{request_id} sent back for review")


@tollfree.command("delete")
def delete(request_id: Id, *, yes: YesOption = False) -> None:
    """Delete a rejected request.

    Exit codes: 0 deleted, or there is none, 1 refused or not confirmed, 2 bad usage.
    """
    confirm(f"Delete {request_id}?", yes=yes, dry_run=load().dry_run)
    was_there = with_telnyx(lambda telnyx: _delete(telnyx, request_id))
    say(f"{request_id} deleted" if was_there else f"{request_id}: there is none, deleted already or never there")


def _prepared(request_id: str, changes: list[str]) -> tuple[dict[str, Any], Resubmission]:
    """Return a request and its resubmission with the changes, and tell the doubts about them."""
    try:
        # Before Telnyx is asked: the changes alone may be invalid.
        prepare({}, changes)
        raw = with_telnyx(lambda telnyx: retrieve_raw(telnyx, request_id))
        resubmission = prepare(raw, changes)
        _warn(resubmission.doubts())
    except InvalidSubmission as error:
        _refuse_fields(error.problems)
        raise
    return raw, resubmission


def _refuse_fields(problems: Mapping[str, str], prefix: str = "") -> None:
    """End the command where a field has a problem."""
    if problems:
        fail(*(f"{prefix}{field}: {said}" for field, said in problems.items()), code=BAD_USAGE)


def _warn(doubts: Iterable[str]) -> None:
    for each in doubts:
        say(f"Telnyx may send this back: {each}", err=True)


def _refuse_verified_numbers(numbers: set[str]) -> None:
    """End the command where a number is verified: a second request takes the place of the first.

    Source: support.telnyx.com, 10729979.
    """
    told = [
        f"request {each['id']} is Verified for one of these numbers: submitting un-verifies it (--force)"
        for each in with_telnyx(lambda telnyx: _all(telnyx, status=VERIFIED))
        if any(one["phoneNumber"] in numbers for one in each.get("phoneNumbers") or ())
    ]
    if told:
        fail(*told)


async def _all(telnyx: AsyncTelnyx, *, status: str | None) -> list[dict[str, Any]]:
    wanted: Any = status or omit
    requests = telnyx.messaging_tollfree.verification.requests.list(page=1, page_size=100, status=wanted)
    return [each.to_dict(mode="json") async for each in rows_of(requests, "toll-free requests")]


async def _with_history(telnyx: AsyncTelnyx, request_id: str) -> tuple[dict[str, Any], list[Status]]:
    return await retrieve_raw(telnyx, request_id), await read_history(telnyx, request_id)


async def _create(telnyx: AsyncTelnyx, submission: TollFreeSubmission) -> Any:
    try:
        return await telnyx.messaging_tollfree.verification.requests.create(**submission.arguments())
    except (APIConnectionError, InternalServerError):
        say("Telnyx may have it all the same: look at `ringback tollfree list` before trying again", err=True)
        raise


async def _delete(telnyx: AsyncTelnyx, request_id: str) -> bool:
    """Delete a request, and return whether it was there. Source: OpenAPI `DeleteVerificationRequest`."""
    requests = telnyx.messaging_tollfree.verification.requests
    try:
        await requests.delete(request_id)
    except NotFoundError:
        return False
    except BadRequestError:
        status = (await requests.retrieve(request_id)).verification_status
        if status == REJECTED:
            raise
        fail(f"{request_id} is {status}: Telnyx deletes only what is Rejected")
    return True


_NUMBERS = frozenset({"businessContactPhone"})
_TEXTS = frozenset(
    {"productionMessageContent", "optInConfirmationResponse", "helpMessageResponse", "campaignVerifyAuthorizationToken"}
)
"""Fields that are sent to people, and the one secret."""
_PLAIN = {"id", "verificationRequestId", "createdAt", "updatedAt", "businessZip", "businessRegistrationNumber"}


def shown(request: Mapping[str, Any], *, reveal: bool) -> dict[str, Any]:
    """Return a request by Telnyx's names, as it may be shown."""
    # A webhook URL may hold a login, which --reveal does not show either.
    fields = shown_within(dict(request), reveal=True).items()
    return {field: value if reveal else _masked(field, value) for field, value in fields}


def in_words(value: Any) -> str:
    """Return a value of a request in a line."""
    if value is None:
        return "unset"
    if isinstance(value, list):
        parts = (next(iter(each.values()), "") if isinstance(each, dict) else each for each in value)
        return ", ".join(map(str, parts))
    return str(value)


def _row(request: Mapping[str, Any]) -> list[str]:
    fields = ("id", "verificationStatus", "businessName", "phoneNumbers", "updatedAt", "reason")
    return [in_words(request.get(field) or "") for field in fields]


def _masked(field: str, value: Any) -> Any:
    if field in _TEXTS and value:
        return f"••• ({len(str(value))} characters)"
    if field in _PLAIN:
        return value
    if field == "phoneNumbers" and isinstance(value, list):
        return [{name: mask_number(str(number)) for name, number in each.items()} for each in value]
    if isinstance(value, str):
        return mask_number(value) if field in _NUMBERS else mask_numbers(value)
    return value
