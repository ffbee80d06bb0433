"""Numbers are masked, and the place of an error is named without its text."""

import pytest

from service.security.masking import mask_e164, mask_number, mask_numbers, place


@pytest.mark.parametrize(
    ("number", "masked"), [("+13125550001", "+1312•••0001"), ("12345", "•••45"), ("+491711234567", "+4917•••4567")]
)
def test_a_number_is_masked(number: str, masked: str) -> None:
    assert mask_number(number) == masked


def test_numbers_in_foreign_text_are_masked_and_short_codes_of_errors_stay() -> None:
    told = mask_numbers("40310: to +1 (312) 555-0001 or 13125550002 is invalid since 2026")
    assert "555" not in told
    assert told.startswith("40310: to +1312•••0001 or ")
    assert told.endswith("is invalid since 2026")


@pytest.mark.parametrize(
    "told",
    [
        "order 12345678-1234-4234-8234-123456789012 failed",
        "approve it before 2026-11-22 07:15 UTC",
        "since 2026-11-22T07:15:00Z",
        "before 2026/11/22 07:15",
        "before 11/22/2026, or 22/11/2026",
        "40310/40311",
        "attempt 3 40310a6b-1234-4234-8234-123456789012",
        "GET /v2/40310a6b-1234-4234-8234-123456789012",
        "at 12:30:45, 250/1000 of them",
    ],
)
def test_ids_and_dates_are_no_numbers(told: str) -> None:
    assert mask_numbers(told) == told


@pytest.mark.parametrize(
    "spelt",
    [
        "+1 312\u2013555\u20130001",
        "+1\u2011312\u2011555\u20110001",
        "+1 312\u200b5550001",
        "+1\u202f312\u00a0555 0001",
        "+1/312/5550001",
        "+1 312/5550 001",
    ],
)
def test_a_number_is_masked_with_any_separator_between_its_digits(spelt: str) -> None:
    assert mask_numbers(f"the address '{spelt}' is invalid") == "the address '+1312•••0001' is invalid"


def test_a_number_that_looks_a_little_like_a_date_is_masked() -> None:
    assert "555" not in mask_numbers("call 2026-11-225550001 or +2025-11-225550001")


def test_a_command_keeps_its_ids_and_loses_its_numbers() -> None:
    command = "ringback hosted eligibility +13125550001 --order 12345678-1234-4234-8234-123456789012"
    assert mask_e164(command) == command.replace("+13125550001", "+1312•••0001")


def test_the_place_of_an_error_is_named_without_its_text() -> None:
    with pytest.raises(ValueError, match="secret") as raised:
        int("the secret text")
    told = place(raised.value)
    assert told.startswith("test_masking.py:")
    assert "secret" not in told
