"""Links to public shorteners, which carriers block."""

import pytest

from service.messages.links import shorteners_to_warn_of
from service.messages.sms_text import public_shorteners
from service.outbound.client import open_reader
from service.testing.simulator.profiles import UrlDomain
from tests.stack import Stack

TEXT = "Your table: https://bit.ly/3xYz, or tinyurl.com/table."


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (TEXT, ("bit.ly", "tinyurl.com")),
        ("HTTP://WWW.BIT.LY/a and https://bit.ly/b", ("bit.ly",)),
        ("(bit.ly/x)", ("bit.ly",)),
        ("see bit.ly", ("bit.ly",)),
        ("https://diner.bit.ly.example/x", ()),
        ("https://diner.example/?to=bit.ly.example", ()),
        ("https://orbit.ly/x", ()),
        ("https://diner.example/bit.ly/x or me@bit.ly", ()),
        ("https://diner.example/table", ()),
        ("a habit.lying about", ()),
        ("", ()),
    ],
)
def test_public_shorteners_are_found_wherever_they_stand(text: str, found: tuple[str, ...]) -> None:
    assert public_shorteners(text) == found


def test_a_domain_of_the_account_is_none() -> None:
    assert public_shorteners(TEXT, ["BIT.LY"]) == ("tinyurl.com",)


def warned(stack: Stack, text: str) -> tuple[str, ...]:
    async def ask() -> tuple[str, ...]:
        async with open_reader(stack.settings) as telnyx:
            return await shorteners_to_warn_of(text, telnyx, stack.store)

    return stack.host.portal.call(ask)


def test_telnyx_is_asked_for_the_domains_only_where_it_matters_and_once(stack: Stack) -> None:
    stack.simulator.account.url_domains.extend(
        UrlDomain(str(number), domain, "shortener")
        for number, domain in enumerate([*(f"d{each}.example" for each in range(260)), "https://bit.ly/"])
    )
    assert warned(stack, "https://diner.example") == ()
    assert stack.simulator.requests == []

    assert warned(stack, TEXT) == warned(stack, TEXT) == ("tinyurl.com",)
    assert [each.path for each in stack.simulator.requests] == ["/messaging_url_domains"] * 2, "two pages, once"


def test_where_telnyx_cannot_tell_all_are_warned_of(stack: Stack) -> None:
    stack.simulator.add_fault(kind="status", status=503, times=1)
    assert warned(stack, TEXT) == ("bit.ly", "tinyurl.com")
