"""Looking an effect of unknown fate up at Telnyx: what is found settles it, what is not found proves nothing."""

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from service.outbound.operations import Call
from service.outbound.refusals import Answer
from service.store.ledger import Entry

Get = Callable[[str], Awaitable[Answer | None]]
"""Reads a path at Telnyx; None where no answer came."""
LookUp = Callable[[Call, Entry, Get], Awaitable[Answer | None]]
"""Answers what the request would have been answered, or None where that is not to be found."""

TOLL_FREE = "/messaging_tollfree/verification/requests"
HOSTED = "/messaging_hosted_number_orders"
CLOCKS_DIFFER = 60.0
"""Seconds by which Telnyx's time of creation may lie before our time of sending."""


def look_up_for(call: Call) -> LookUp | None:
    """How to find out about a call, where that can be done."""
    return next(
        (look_up for method, path, look_up in _LOOK_UPS if method == call.method and path.fullmatch(call.path)), None
    )


async def _created_toll_free_request(_: Call, entry: Entry, get: Get) -> Answer | None:
    sent = _sent(entry)
    numbers = _numbers(sent.get("phoneNumbers"))
    if not numbers:
        return None
    answer = await get(f"{TOLL_FREE}?page=1&page_size=100&phone_number={quote(min(numbers))}")
    found = (each for each in _rows(answer, "records") if _numbers(each.get("phoneNumbers")) == numbers)
    return _first_since(entry, found, "createdAt", lambda row: row)


async def _created_hosted_order(_: Call, entry: Entry, get: Get) -> Answer | None:
    sent = _sent(entry)
    numbers = set(sent.get("phone_numbers") or ())
    if not numbers:
        return None
    answer = await get(f"{HOSTED}?page[size]=250")
    found = (each for each in _rows(answer, "data") if _numbers(each.get("phone_numbers")) == numbers)
    return _first_since(entry, found, "created_at", lambda row: {"data": row})


async def _replaced(call: Call, entry: Entry, get: Get) -> Answer | None:
    """What a PATCH set, read back."""
    sent, answer = _sent(entry), await get(call.path)
    if not sent or answer is None or answer.status != 200:
        return None
    stored = _parsed(answer.body)
    inner = stored.get("data")
    stored = inner if isinstance(inner, dict) else stored
    return answer if all(stored.get(name) == value for name, value in sent.items()) else None


async def _deleted(call: Call, _: Entry, get: Get) -> Answer | None:
    answer = await get(call.path)
    return gone(call) if answer is not None and answer.status == 404 else None


def gone(call: Call) -> Answer:
    """What a delete is answered that has taken effect already."""
    told = {"data": {"id": call.path.rpartition("/")[2]}}
    return Answer(200, {"content-type": "application/json"}, json.dumps(told).encode())


_LOOK_UPS: tuple[tuple[str, "re.Pattern[str]", LookUp], ...] = (
    ("POST", re.compile(TOLL_FREE), _created_toll_free_request),
    ("POST", re.compile(HOSTED), _created_hosted_order),
    ("PATCH", re.compile(TOLL_FREE + r"/[^/]+"), _replaced),
    ("PATCH", re.compile(r"/messaging/rcs/agents/[^/]+|/messaging_profiles/[^/]+"), _replaced),
    ("DELETE", re.compile(f"({TOLL_FREE}|{HOSTED}|/messaging_hosted_numbers)/[^/]+"), _deleted),
)


def _first_since(
    entry: Entry, rows: Iterable[Mapping[str, Any]], field: str, shape: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> Answer | None:
    """The first row created since the request was sent, as the answer to it."""
    since = entry.first_at / 1000 - CLOCKS_DIFFER
    for row in rows:
        try:
            created = datetime.fromisoformat(str(row.get(field))).timestamp()
        except ValueError:
            continue
        if created >= since:
            return Answer(200, {"content-type": "application/json"}, json.dumps(shape(row)).encode())
    return None


def _numbers(listed: object) -> set[str]:
    """Numbers as either API writes them: texts, or objects with `phoneNumber` or `phone_number`."""
    rows = listed if isinstance(listed, list) else []
    return {
        str(each.get("phoneNumber") or each.get("phone_number")) if isinstance(each, dict) else str(each)
        for each in rows
    }


def _rows(answer: Answer | None, name: str) -> list[Mapping[str, Any]]:
    if answer is None or answer.status != 200:
        return []
    rows = _parsed(answer.body).get(name)
    return [each for each in rows if isinstance(each, dict)] if isinstance(rows, list) else []


def _sent(entry: Entry) -> dict[str, Any]:
    return _parsed(entry.body or b"")


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
