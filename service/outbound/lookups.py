"""Look-ups of unconfirmed effects at Telnyx: presence resolves them, absence proves nothing."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from service.events.tolerant_model import read_time
from service.outbound.api_call import Call, json_object
from service.outbound.errors import TelnyxResponse
from service.store.effects.ledger import Entry

Get = Callable[[str], Awaitable[TelnyxResponse]]
"""Reads a path at Telnyx. Where Telnyx does not say what is there, it raises."""
LookUp = Callable[[Call, Entry, Get], Awaitable[TelnyxResponse | None]]
"""Answers what the request would have been answered, or None where that is not to be found."""

TOLL_FREE = "/messaging_tollfree/verification/requests"
HOSTED = "/messaging_hosted_number_orders"
CAMPAIGN_NUMBERS = "/10dlc/phone_number_campaigns"
_OF_TEN_DLC = f"/10dlc/brand|/10dlc/campaign|{CAMPAIGN_NUMBERS}"
PAGE = 250
"""Rows in a page, as many as Telnyx gives. Source: OpenAPI `PageConsolidated`."""
DETAIL_RECORDS = "/detail_records?filter[record_type]=messaging"
DETAIL_PAGE = 50
"""Rows in a page, as many as Telnyx gives. Source: OpenAPI `SearchDetailRecords`."""
MOST_PAGES = 20
_RCS_BRAND_NAMES = ("display_name", "legal_name", "website_url", "organization_type", "legal_entity_type")
CLOCKS_DIFFER = 60.0
"""Seconds by which Telnyx's time of creation may lie before our time of sending."""


def look_up_for(call: Call) -> LookUp | None:
    """Return the look-up for a call, if there is one."""
    fitting = (each for method, path, each in _LOOK_UPS if method == call.method and path.fullmatch(call.path))
    return next(fitting, None)


async def _created_toll_free_request(_: Call, entry: Entry, get: Get) -> TelnyxResponse | None:
    sent = json_object(entry.body or b"")
    numbers = _numbers(sent.get("phoneNumbers"))
    if not numbers:
        return None
    answer = await get(f"{TOLL_FREE}?page=1&page_size=100&phone_number={quote(min(numbers))}")
    since = entry.first_at / 1000 - CLOCKS_DIFFER
    for row in _rows(answer, "records"):
        if _numbers(row.get("phoneNumbers")) == numbers and _created(row) >= since:
            return _as_answer(row)
    return None


async def _created_hosted_order(_: Call, entry: Entry, get: Get) -> TelnyxResponse | None:
    """Find an order for these numbers that has not failed: orders have no time (OpenAPI)."""
    sent = json_object(entry.body or b"")
    numbers, profile = set(sent.get("phone_numbers") or ()), sent.get("messaging_profile_id")
    for page in range(1, MOST_PAGES + 1):
        rows = _rows(await get(f"{HOSTED}?page[number]={page}&page[size]={PAGE}"), "data")
        for row in rows:
            same = _numbers(row.get("phone_numbers")) == numbers and row.get("messaging_profile_id") == profile
            if numbers and same and row.get("status") not in {"failed", "deleted"}:
                return _as_answer({"data": row})
        if len(rows) < PAGE:
            break
    return None


async def _created_rcs_brand(_: Call, entry: Entry, get: Get) -> TelnyxResponse | None:
    """Find a brand with these fields that is not rejected: brands have no time (SDK 4.189, `rcs.BrandResponse`)."""
    sent, answer = json_object(entry.body or b""), await get("/rcs/brands")
    rows = json.loads(answer.body) if answer.status == 200 else None
    for row in rows if isinstance(rows, list) and sent else ():
        same = isinstance(row, dict) and all(row.get(name) == sent.get(name) for name in _RCS_BRAND_NAMES)
        if same and row.get("status") not in {"REJECTED", "FAILED"}:
            return _as_answer(row)
    return None


async def _replaced(call: Call, entry: Entry, get: Get) -> TelnyxResponse | None:
    """Read back the values that a PATCH set."""
    sent, answer = json_object(entry.body or b""), await get(call.path)
    if not sent or answer.status != 200:
        return None
    stored = json_object(answer.body)
    inner = stored.get("data")
    stored = inner if isinstance(inner, dict) else stored
    return answer if all(stored.get(name) == value for name, value in sent.items()) else None


async def _sent_message(_: Call, entry: Entry, get: Get) -> TelnyxResponse | None:
    """Find a message by sender, recipient and time. Detail records lack messages under way."""
    sent = json_object(entry.body or b"")
    to, sender = sent.get("to"), sent.get("from")
    if not isinstance(to, str) or not isinstance(sender, str):
        return None
    rows = _rows(await get(f"{DETAIL_RECORDS}&filter[cld]={quote(to)}&page[size]={DETAIL_PAGE}"), "data")
    since, until = entry.first_at / 1000 - CLOCKS_DIFFER, entry.last_at / 1000 + CLOCKS_DIFFER
    for row in rows:
        if (row.get("cld"), row.get("cli")) == (to, sender) and since <= _created(row, "created_at") <= until:
            return _as_answer({"data": {"id": row.get("uuid")}})
    return None


async def _assigned_number(_: Call, entry: Entry, get: Get) -> TelnyxResponse | None:
    """Find the assignment of a number to this campaign. One that failed was made too."""
    sent = json_object(entry.body or b"")
    number, campaign = sent.get("phoneNumber"), sent.get("campaignId")
    if not number or not campaign:
        return None
    answer = await get(f"{CAMPAIGN_NUMBERS}/{quote(str(number))}")
    row = json_object(answer.body) if answer.status == 200 else {}
    ids = (row.get("campaignId"), row.get("telnyxCampaignId"), row.get("tcrCampaignId"))
    return answer if campaign in ids and row.get("phoneNumber") == number else None


async def _appealed(call: Call, _: Entry, get: Get) -> TelnyxResponse | None:
    """Find that a campaign is under review again. Source: SDK 4.189, `campaign.submit_appeal`."""
    answer = await get(call.path.removesuffix("/appeal"))
    status = json_object(answer.body).get("campaignStatus") if answer.status == 200 else None
    return None if status in {None, "TELNYX_FAILED", "MNO_REJECTED"} else _as_answer({"appealed_at": None})


async def _deleted(call: Call, _: Entry, get: Get) -> TelnyxResponse | None:
    answer = await get(call.path)
    return gone(call) if answer.status == 404 else None


def gone(call: Call) -> TelnyxResponse:
    """Return the answer of a delete that has taken effect already."""
    return _as_answer({"data": {"id": call.path.rpartition("/")[2]}})


_LOOK_UPS: tuple[tuple[str, "re.Pattern[str]", LookUp], ...] = (
    ("POST", re.compile(TOLL_FREE), _created_toll_free_request),
    ("POST", re.compile(HOSTED), _created_hosted_order),
    ("POST", re.compile("/rcs/brands"), _created_rcs_brand),
    ("POST", re.compile(r"/messages(/(long_code|short_code))?"), _sent_message),
    ("PATCH", re.compile(TOLL_FREE + r"/[^/]+"), _replaced),
    ("PATCH", re.compile(r"/messaging/rcs/agents/[^/]+|/messaging_profiles/[^/]+"), _replaced),
    ("PUT", re.compile(r"/10dlc/(brand|campaign)/[^/]+"), _replaced),
    ("PATCH", re.compile(r"/10dlc/partner_campaigns/[^/]+"), _replaced),
    ("POST", re.compile(CAMPAIGN_NUMBERS), _assigned_number),
    ("POST", re.compile(r"/10dlc/campaign/[^/]+/appeal"), _appealed),
    ("DELETE", re.compile(f"({TOLL_FREE}|{HOSTED}|/messaging_hosted_numbers|{_OF_TEN_DLC})/[^/]+"), _deleted),
)


def _created(row: Mapping[str, Any], name: str = "createdAt") -> float:
    """Return when a row was created (seconds since 1970), or 0 where it has no time."""
    created = read_time(row.get(name))
    return 0.0 if created is None else created.timestamp()


def _as_answer(found: Mapping[str, Any]) -> TelnyxResponse:
    return TelnyxResponse(200, {"content-type": "application/json"}, json.dumps(found).encode())


def _numbers(listed: object) -> set[str]:
    """Return numbers as either API writes them: texts, or objects with `phoneNumber` or `phone_number`."""
    rows = listed if isinstance(listed, list) else []
    named = (each.get("phoneNumber") or each.get("phone_number") if isinstance(each, dict) else each for each in rows)
    return set(map(str, named))


def _rows(answer: TelnyxResponse, name: str) -> list[Mapping[str, Any]]:
    if answer.status != 200:
        return []
    rows = json_object(answer.body).get(name)
    return [each for each in rows if isinstance(each, dict)] if isinstance(rows, list) else []
