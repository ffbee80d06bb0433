"""Toll-free verification requests, followed to their end.

Telnyx publishes neither the type nor the payload of the webhooks about them. So any event that names a request is a
reason to read the request and its history. A poll finds the other changes.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from telnyx import AsyncTelnyx, NotFoundError

from service.outbound.list_pages import PageCheck, rows_of
from service.registrations.status_changes import Change, Followed, Reading, Status
from service.routing import Context

KIND = "toll_free_verification"
WAITS = "Waiting For Customer"
NEEDS_PERSON = frozenset({"Rejected", WAITS})
"""Statuses in which nothing goes on until a person does something. Source: support.telnyx.com, 10729979."""

PAGE = 100
MOST_AT_ONCE = 25
"""Requests that one run reads, two calls each, so that it stays well within a handler's time-out."""
MOST_NAMED = 5
DEEPEST = 4
_OWN_FIELDS = frozenset(
    {"verificationRequestId", "verification_request_id", "verificationStatus", "verification_status"}
)
_ID_FIELDS = ("verificationRequestId", "verification_request_id", "requestId", "request_id", "id")
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def followed(ctx: Context) -> Followed:
    """Return the known states of all requests."""
    return Followed(ctx.services.store, KIND, NEEDS_PERSON)


def named_requests(payload: Mapping[str, Any]) -> list[str]:
    """Return the possible ids of a request in a payload of any shape, the likeliest first."""
    found = [(field, value) for part in _parts(payload, DEEPEST) for field, value in part.items()]
    ids = [value for wanted in _ID_FIELDS for field, value in found if field == wanted]
    return list(dict.fromkeys(each for each in ids if isinstance(each, str) and _ID.fullmatch(each)))[:MOST_NAMED]


def speaks_of_verification(payload: Mapping[str, Any]) -> bool:
    """Return whether a payload has a field that only toll-free verification has, for events without a type."""
    return any(not _OWN_FIELDS.isdisjoint(part) for part in _parts(payload, DEEPEST))


async def follow(ctx: Context, request_id: str) -> list[Change] | None:
    """Read a request and raise its changes. Return them, or None where there is no such request.

    Raises:
        telnyx.APIError: Telnyx refuses, or cannot be reached.
        service.registrations.status_changes.TooMuchChange: others kept learning of it meanwhile.
    """

    async def read() -> Reading:
        return await read_request(ctx.telnyx, request_id)

    try:
        return await followed(ctx).raise_changes(request_id, read)
    except NotFoundError:
        return None


async def follow_all(ctx: Context) -> bool:
    """Follow requests that changed since they were last read. Return whether these were all of them.

    Raises:
        telnyx.APIError: Telnyx refuses, or cannot be reached.
        service.registrations.status_changes.TooMuchChange: others kept learning of one meanwhile.
    """
    versions = await followed(ctx).versions()
    requests = ctx.telnyx.messaging_tollfree.verification.requests.list(page=1, page_size=PAGE)
    rows = rows_of(requests, "toll-free requests")
    changed = [each.id async for each in rows if versions.get(each.id) != _version(each)]
    for each in changed[:MOST_AT_ONCE]:
        await follow(ctx, each)
    return len(changed) <= MOST_AT_ONCE


async def read_request(telnyx: AsyncTelnyx, request_id: str) -> Reading:
    """Read a request with its history. Where that is behind or missing, the request's own status ends it.

    Raises:
        telnyx.APIError: Telnyx refuses, or cannot be reached.
    """
    request = await telnyx.messaging_tollfree.verification.requests.retrieve(request_id)
    now = Status(request.verification_status, request.reason, _in_utc(request.updated_at))
    history = _oldest_first(await read_history(telnyx, request_id), now)
    if not history or (history[-1].status != now.status and _is_later(now, history[-1])):
        history.append(now)
    details = {"phone_numbers": _numbers(request.phone_numbers), "business_name": request.business_name}
    return Reading(history, details, _version(request))


def _numbers(listed: object) -> list[str]:
    """Return the numbers of a request, each a text or an object: the SDK does not check the API's answer."""
    rows = listed if isinstance(listed, list) else []
    found = [each if isinstance(each, str) else getattr(each, "phone_number", None) for each in rows]
    return [each for each in found if isinstance(each, str)]


async def read_history(telnyx: AsyncTelnyx, request_id: str) -> list[Status]:
    """Return all status changes of a request, in Telnyx's order.

    Raises:
        telnyx.APIError: Telnyx refuses, or cannot be reached.
    """
    requests, records = telnyx.messaging_tollfree.verification.requests, list[Any]()
    check = PageCheck("status changes")
    while True:
        page = await requests.retrieve_status_history(request_id, page_number=check.pages + 1, page_size=PAGE)
        records += page.records or ()
        if not page.records or len(records) >= page.total_records:
            break
        check.count(page.records)
        check.before_next(None, page.total_records)
    return [Status(each.verification_status, each.reason, _in_utc(each.updated_at)) for each in records]


def _oldest_first(history: list[Status], now: Status) -> list[Status]:
    """Sort a history by time: its order is not documented, and several entries may share their time."""
    if history and (_is_later(history[0], history[-1]) or history[0].mark == now.mark != history[-1].mark):
        history.reverse()
    # Sorting keeps the order of those that share their time.
    return sorted(history, key=lambda each: each.at or datetime.min.replace(tzinfo=UTC))


def _parts(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """Yield the objects within a payload, the outer ones first."""
    if depth == 0:
        return
    if isinstance(value, Mapping):
        yield value
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _parts(each, depth - 1)


def _version(request: Any) -> str:
    status = Status(request.verification_status, request.reason)
    return f"{status.mark} {_in_utc(request.updated_at)}"


def _is_later(one: Status, other: Status) -> bool:
    return one.at is not None and other.at is not None and one.at > other.at


def _in_utc(moment: datetime | None) -> datetime | None:
    """Return a time in its zone, or in UTC where it has none."""
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
