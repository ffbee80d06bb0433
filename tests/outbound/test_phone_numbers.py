"""What the numbering plans say of a number."""

import pytest

from service.outbound.phone_numbers import country_of, is_toll_free, one_spelling, spellings_of, time_zones_of

TOLL_FREE, LOCAL = "+18005550199", "+13125550142"


@pytest.mark.parametrize(
    ("number", "toll_free"),
    [(TOLL_FREE, True), ("+448081570000", True), (LOCAL, False), ("no number", False), ("+1", False), ("", False)],
)
def test_a_toll_free_number_is_told_by_its_plan(number: str, *, toll_free: bool) -> None:
    assert is_toll_free(number) is toll_free


def test_a_number_that_nobody_can_have_belongs_to_its_calling_code() -> None:
    assert country_of("+10005550199") == "US"
    assert country_of("+999123456789") is None
    assert country_of("no number") is None
    assert country_of("+4401711234567") == "GB"


def test_consent_is_looked_for_under_the_given_spelling_first() -> None:
    assert spellings_of("+4401711234567") == ("+4401711234567", "+441711234567")
    assert spellings_of("+441711234567") == ("+441711234567", "+4401711234567")
    assert spellings_of("+79161234567") == ("+79161234567", "+789161234567")
    assert spellings_of("+390612345678") == ("+390612345678",), "an Italian 0 is part of the number"
    for mexican in ("+525512345678", "+5215512345678"):
        assert set(spellings_of(mexican)) == {"+525512345678", "+5215512345678"}
    assert spellings_of(LOCAL) == (LOCAL,)
    assert spellings_of("no number") == ("no number",)
    assert one_spelling("no number") == "no number"


def test_a_number_without_a_place_has_no_time_zone() -> None:
    assert [zone.key for zone in time_zones_of(LOCAL)] == ["America/Chicago"]
    assert time_zones_of("no number") == ()
