"""`GET /detail_records`: the records of messages that have ended."""

import math
import operator
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import bad_request
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.lists import page
from service.testing.simulator.messages.message import Message, Status
from service.testing.simulator.simulated_clock import is_iso, iso, read_iso
from service.testing.simulator.webhooks.deliveries import USER_ID

LARGEST_PAGE = 50
"""Source: OpenAPI `SearchDetailRecords`."""

_STATUSES: dict[Status, str] = {
    "delivered": "delivered",
    "read": "delivered",
    "delivery_failed": "failed",
    "sending_failed": "gw_reject",
    "delivery_unconfirmed": "dlr_unconfirmed",
    "expired": "dlr_timeout",
    "received": "received",
}
_RECORD_TYPES = ("messaging", "message_detail_record")
_COMPARISONS = {"eq": operator.eq, "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
_FIELD_NAMES = """
uuid user_id cli cld direction message_type status delivery_status parts profile_id profile_name created_at sent_at
completed_at updated_at cost currency tags on_net
"""
_FIELDS = frozenset(_FIELD_NAMES.split())
_LAST_DAYS = re.compile(r"last_(\d{1,3})_days")
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_WHICH = {"last": -1, "this": 0, "next": 1}

_SAME_FOR_ALL = {"cost": "0.0051", "currency": "USD", "tags": "", "on_net": False}

Filter = tuple[str, str, str]


def search_detail_records(account: Account, call: OperationCall) -> Answer:
    """List the messages that fit the filters. One that is still on its way has no record yet.

    Source: OpenAPI `MessageDetailRecord`. Queued messages are missing (knowledge base, rate limiting). Only
    messages have records here, other record types give none.
    """
    filters = _filters(call)
    if "filter[record_type]" not in call.query:
        raise bad_request("The parameter filter[record_type] is required.")
    begin, end = days(call.query.get("filter[date_range]"), account.clock.now())
    # The recipient is compared first, since few of many messages are to one.
    to = call.query.get("filter[cld]", call.query.get("filter[cld][eq]"))
    records = [
        _record(account, message)
        for message in account.messages
        if to in (None, message.to) and message.status in _STATUSES and begin <= message.received_at < end
    ]
    if call.query["filter[record_type]"] not in _RECORD_TYPES:
        records = []
    found = [record for record in records if all(_fits(record, *entry) for entry in filters)]
    return page(call, _sorted(found, call.query.get("sort", call.query.get("sort[]", "-created_at"))), LARGEST_PAGE)


def days(name: str | None, now: float) -> tuple[float, float]:
    """Return begin and end of a range of whole days in UTC (seconds since 1970), None for all of time.

    Source: OpenAPI `SearchDetailRecords`, and for `last_N_days` the SDK's description of the filter.

    Raises:
        ApiError: 400, there is no such range.
    """
    if name is None:
        return -math.inf, math.inf
    begin, end = _range(name, datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0))
    return begin.timestamp(), end.timestamp()


def _range(name: str, today: datetime) -> tuple[datetime, datetime]:
    which, _, unit = name.partition("_")
    if match := _LAST_DAYS.fullmatch(name):
        return today - timedelta(days=int(match[1])), today + timedelta(days=1)
    if name in _DAYS:
        begin = today + timedelta(days=_DAYS[name])
        return begin, begin + timedelta(days=1)
    if which in _WHICH and unit == "week":
        monday = today + timedelta(days=7 * _WHICH[which] - today.weekday())
        return monday, monday + timedelta(days=7)
    if which in _WHICH and unit == "month":
        return _month(today, _WHICH[which]), _month(today, _WHICH[which] + 1)
    raise bad_request("The filter date_range names no range of days.")


def _month(today: datetime, offset: int) -> datetime:
    years, month = divmod(today.month - 1 + offset, 12)
    return today.replace(year=today.year + years, month=month + 1, day=1)


def _filters(call: OperationCall) -> list[Filter]:
    """Return field, comparison and value of every filter on a field."""
    found = []
    for name, value in call.query.items():
        if name.startswith("filter[") and name not in ("filter[record_type]", "filter[date_range]"):
            field, _, comparison = name.removeprefix("filter[").removesuffix("]").partition("][")
            found.append(_checked(field, comparison or "eq", value))
    return found


def _checked(field: str, comparison: str, value: str) -> Filter:
    if field not in _FIELDS or comparison not in _COMPARISONS:
        raise bad_request(f"The filter {field} does not exist for this record type.")
    if field.endswith("_at") and not is_iso(value):
        raise bad_request(f"The filter {field} must be an ISO 8601 date.")
    return field, comparison, value


def _fits(record: dict[str, Any], field: str, comparison: str, value: str) -> bool:
    read: Any = read_iso if field.endswith("_at") else str
    return bool(_COMPARISONS[comparison](read(str(record[field])), read(value)))


def _sorted(records: list[dict[str, Any]], order: str) -> list[dict[str, Any]]:
    field = order.removeprefix("-")
    if field not in _FIELDS:
        raise bad_request(f"The field {field} does not exist for this record type.")
    return sorted(records, key=lambda record: str(record[field]), reverse=order.startswith("-"))


def _record(account: Account, message: Message) -> dict[str, Any]:
    profile = account.profiles.find(message.messaging_profile_id)
    created_at, status = iso(message.received_at), _STATUSES[message.status]
    completed_at = created_at if message.completed_at is None else iso(message.completed_at)
    sent_at = created_at if message.sent_at is None else iso(message.sent_at)
    times = {"created_at": created_at, "sent_at": sent_at, "completed_at": completed_at, "updated_at": completed_at}
    parties = {"cli": message.sender, "cld": message.to, "direction": message.direction, "message_type": message.type}
    return {
        "record_type": "message_detail_record",
        "uuid": message.id,
        "user_id": USER_ID,
        **parties,
        "status": status,
        "delivery_status": status,
        "errors": [error["code"] for error in message.errors],
        "parts": message.parts,
        "profile_id": message.messaging_profile_id,
        "profile_name": "" if profile is None else profile.name,
        **times,
        **_SAME_FOR_ALL,
    }
