"""What an answer of Telnyx means, by its status, codes and headers alone."""

from typing import Any

import httpx
import orjson
import pytest
from telnyx import APIConnectionError, APIError, APIResponseValidationError, APIStatusError, APITimeoutError

from service import clock
from service.outbound import errors
from service.outbound.errors import Refusal, TelnyxResponse, classify_error, classify_response
from tests.telnyx_events import fresh_number


def refused(status: int, *codes: str, **headers: str) -> TelnyxResponse:
    body = orjson.dumps({"errors": [{"code": each} for each in codes]})
    return TelnyxResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (refused(400, "40300"), "hopeless", "40300"),
        (refused(500, "1", "40300"), "hopeless", "40300"),
        (refused(401), "account", "credentials"),
        (refused(409), "later", "in_progress"),
        (refused(409, "40015"), "later", "in_progress"),
        (refused(408), "later", "rate_limit"),
        (refused(425), "later", "rate_limit"),
        (refused(429), "later", "rate_limit"),
        (refused(400, "40318"), "later", "rate_limit"),
        (refused(200), "later", "telnyx_unreadable"),
        (refused(299), "later", "telnyx_unreadable"),
        (refused(199), "later", "rate_limit"),
        (refused(300), "later", "rate_limit"),
        (refused(499), "hopeless", "499"),
        (refused(500), "later", "telnyx_outage"),
        (refused(501), "later", "telnyx_outage"),
        (refused(400), "hopeless", "400"),
        (refused(422, "40001", "40002"), "hopeless", "40001"),
        (refused(403, "10010"), "account", "permission"),
    ],
)
def test_an_answer_to_a_send_becomes_one_kind_of_refusal(answer: TelnyxResponse, kind: str, reason: str) -> None:
    found = classify_response(answer, is_send=True)
    assert (found.kind, found.reason) == (kind, reason)


@pytest.mark.parametrize(("is_final", "kind", "reason"), [(False, "later", "in_progress"), (True, "hopeless", "10015")])
def test_a_conflict_may_be_an_answer_about_the_request_itself(is_final: bool, kind: str, reason: str) -> None:  # noqa: FBT001 # a table
    found = classify_response(refused(409, "10015", retry_after="5"), is_send=False, conflict_is_final=is_final)
    assert (found.kind, found.reason, found.after) == (kind, reason, None if is_final else 5.0)


def test_only_sends_meet_blocks_of_a_path() -> None:
    assert classify_response(refused(403, "10010"), is_send=False) == Refusal("hopeless", "10010", "403 · 10010")
    assert classify_response(refused(409, retry_after="5"), is_send=True).after == 5.0
    assert classify_response(refused(503, retry_after="5"), is_send=True).after == 5.0


def test_the_words_of_a_refusal_are_short_and_hide_numbers() -> None:
    number = fresh_number()
    rows = [{"code": 1, "title": "Bad", "detail": f"to {number} {'x' * 600}"}, {"code": 2, "title": "Second"}]
    detail = classify_response(TelnyxResponse(400, {}, orjson.dumps({"errors": rows})), is_send=True).detail
    assert detail.startswith("400 · 1 · Bad · to +")
    assert len(detail) == 500
    assert number not in detail
    assert "Second" not in detail


@pytest.mark.parametrize(
    ("status", "words"),
    [(299, "299"), (300, "300 (a redirect is not followed: check TELNYX_BASE_URL)"), (399, None), (400, "400")],
)
def test_only_a_redirect_advises_to_look_at_the_address(status: int, words: str | None) -> None:
    expected = words or f"{status} (a redirect is not followed: check TELNYX_BASE_URL)"
    assert classify_response(TelnyxResponse(status), is_send=True).detail == expected


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (b'{"errors":[{"code":"1"},{"title":"x"},7,{"code":2}]}', ["1", "2"]),
        (b'[{"code":"1"}]', ["1"]),
        (b'{"errors":{"code":"1"}}', []),
        (b'{"errors":[{"code":"\\ud83d"}]}', ["\N{REPLACEMENT CHARACTER}"]),
        (b"7", []),
        (b"no JSON", []),
        (b"", []),
    ],
)
def test_codes_are_read_from_any_body(body: bytes, codes: list[str]) -> None:
    assert errors.codes(body) == codes


@pytest.mark.parametrize(
    ("answer", "page", "garbled"),
    [
        (TelnyxResponse(200, {"content-type": "text/html"}, b"<html>"), True, True),
        (TelnyxResponse(299, {"content-type": "text/html"}, b"<html>"), True, True),
        (TelnyxResponse(300, {"content-type": "text/html"}, b"<html>"), False, False),
        (TelnyxResponse(199, {"content-type": "text/html"}, b"<html>"), False, False),
        (TelnyxResponse(199, {"content-type": "application/json"}, b"{"), False, False),
        (TelnyxResponse(200, {"content-type": "application/json"}, b"{"), False, True),
        (TelnyxResponse(200, {"content-type": "application/json"}, b"{}"), False, False),
        (TelnyxResponse(204, {"content-type": "application/json"}, b""), False, False),
        (TelnyxResponse(300, {"content-type": "application/json"}, b"{"), False, False),
        (TelnyxResponse(200, {"content-type": "text/csv"}, b"{"), False, False),
        (TelnyxResponse(200, {}, b"{"), False, False),
    ],
)
def test_a_success_that_cannot_be_of_telnyx_is_told(answer: TelnyxResponse, *, page: bool, garbled: bool) -> None:
    assert (errors.is_page(answer), errors.is_garbled(answer)) == (page, garbled)


def test_what_a_success_of_a_send_is() -> None:
    assert errors.is_object(TelnyxResponse(200, {}, b"{}"))
    assert not errors.is_object(TelnyxResponse(200, {}, b"[]"))
    assert not errors.is_object(TelnyxResponse(200, {}, b"{"))
    assert errors.is_idempotency_conflict(TelnyxResponse(422, {}, b"Idempotency key"))
    assert not errors.is_idempotency_conflict(TelnyxResponse(400, {}, b"Idempotency key"))
    assert not errors.is_idempotency_conflict(TelnyxResponse(422, {}, b"other"))
    assert errors.is_rate_limit(refused(429))
    assert errors.is_rate_limit(refused(403, "1", "10011"))
    assert not errors.is_rate_limit(refused(428, "1"))


NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30", "x-ratelimit-reset": "5"}, 30.0),
        ({"retry-after": "soon", "x-ratelimit-reset": "5"}, 5.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:50 GMT"}, 30.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:50"}, 30.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:12:50 GMT"}, 0.0),
        ({"retry-after": "3600"}, 3600.0),
        ({"retry-after": "3601"}, 3600.0),
        ({"x-ratelimit-reset": " 1.5 "}, 1.5),
        ({"retry-after": "9" * 20}, 3600.0),
        ({"x-ratelimit-reset": "1795812000"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)
def test_how_long_telnyx_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    with clock.moved(lambda: NOW):
        assert errors.retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"), [(None, None), (" 7 ", 7.0), ("1" * 20, float("1" * 16)), ("odd", None), ("٣", None)]
)
def test_a_wait_in_seconds_is_read(value: str | None, seconds: float | None) -> None:
    assert errors.seconds_until(value, NOW) == seconds


@pytest.mark.parametrize(
    ("remaining", "reset", "seconds"),
    [
        ("0", "8", 8.0),
        (" 0 ", "3600", 3600.0),
        ("0", "3600.5", None),
        ("0", "0", None),
        ("0", "0.5", 0.5),
        ("0", "-1", None),
        ("1", "8", None),
        ("", "8", None),
    ],
)
def test_the_last_request_of_a_window_names_the_seconds_until_the_next(
    remaining: str, reset: str, seconds: float | None
) -> None:
    answer = TelnyxResponse(200, {"x-ratelimit-remaining": remaining, "x-ratelimit-reset": reset})
    assert errors.seconds_until_more_remain(answer) == seconds


def sdk_error(method: str, path: str, status: int, *codes: str) -> APIError:
    request = httpx.Request(method, f"https://host/base{path}")
    body: Any = orjson.dumps({"errors": [{"code": each} for each in codes]})
    return APIStatusError("failed", response=httpx.Response(status, request=request, content=body), body=None)


def test_an_error_of_the_sdk_is_read_by_its_request() -> None:
    assert classify_error(sdk_error("POST", "/messages", 403, "10010")).kind == "account"
    assert classify_error(sdk_error("POST", "/other", 403, "10010")).kind == "hopeless"
    assert classify_error(sdk_error("POST", "/rcs/agents", 409)).kind == "hopeless"
    assert classify_error(sdk_error("POST", "/other", 409)).kind == "later"


def test_an_error_of_the_sdk_without_an_answer_is_for_later() -> None:
    request = httpx.Request("GET", "https://host/")
    assert classify_error(APITimeoutError(request)).detail == "Telnyx cannot be reached (APITimeoutError)"
    assert classify_error(APIConnectionError(request=request)).reason == "telnyx_unreachable"
    unread = APIResponseValidationError(httpx.Response(200, request=request), body=None)
    assert classify_error(unread).reason == "telnyx_unreadable"
