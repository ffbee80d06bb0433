"""Numbers in bodies: which are found, and which texts are numbers."""

from typing import Any

import pytest

from service.security.encryption import PLAIN, EncryptionKey, Sealer
from service.security.numbers import DIGEST_BYTES, EXAMINED, MOST_DIGESTS, NumberMatcher, digests, digests_of, is_number

A, B = "+13125550142", "+13125550143"
SEALER = Sealer((EncryptionKey(b"k" * 32), EncryptionKey(b"o" * 32)))


def found(body: str, *numbers: str, sealer: Sealer = PLAIN) -> list[bool]:
    """Return the numbers whose digests a body has."""
    stored = digests(body.encode(), sealer)
    assert len(stored) % DIGEST_BYTES == 0
    each = {stored[at : at + DIGEST_BYTES] for at in range(0, len(stored), DIGEST_BYTES)}
    return [not each.isdisjoint(digests_of(number, sealer)) for number in numbers]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f'{{"x":"{A}","y":"{B}"}}', [True, True]),
        ('{"from":"13125550142","to":["13125550143"]}', [True, True]),
        ('{"phone_number" : [ 13125550142],"phoneNumber":13125550143}', [True, True]),
        ('{"number":"+1 (312) 555-0142","to": 13125550143 }', [True, True]),
        ('{"x":"13125550142","id":"13125550143"}', [False, False]),
        ('{"text":"call +13125550142"}', [False, False]),
        ("", [False, False]),
    ],
)
def test_a_number_is_found_by_its_sign_or_by_its_field(body: str, expected: list[bool]) -> None:
    assert found(body, A, B) == expected
    assert found(body, A, B, sealer=SEALER) == expected


def test_short_codes_are_found_and_each_number_once() -> None:
    assert found('{"from":"12345"}', "12345") == [True]
    assert len(digests(f'{{"x":"{A}","y":"{A}"}}'.encode(), PLAIN)) == DIGEST_BYTES


def test_only_the_first_numbers_and_bytes_of_a_body_are_looked_at() -> None:
    many = [f"+131255501{number:02}" for number in range(MOST_DIGESTS + 1)]
    body = str(many).replace("'", '"')
    assert found(body, *many) == [True] * MOST_DIGESTS + [False]
    padding = " " * (EXAMINED - len(f'"{A}"'))
    assert found(f'{padding}"{A}"', A) == [True]
    assert found(f' {padding}"{A}"', A) == [False]


def test_digests_are_of_all_keys_and_the_first_one_is_stored() -> None:
    assert len(digests_of(A, PLAIN)) == 1
    assert len(digests_of(A, SEALER)) == 3
    assert digests(f'"{A}"'.encode(), SEALER) == digests_of(A, SEALER)[0]
    assert digests_of("+1 312 555 0142", PLAIN) == digests_of(A, PLAIN)
    assert digests_of("ACME 12", PLAIN) == digests_of("1-2", PLAIN) != digests_of("ACME", PLAIN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("123", True),
        ("12", False),
        ("1" * 15, True),
        ("1" * 16, False),
        ("+1 (312) 555.0142", True),
        ("+1312555014x", False),
        ("1_2_3", False),
        ("", False),
    ],
)
def test_a_text_may_be_a_number(text: str, *, expected: bool) -> None:
    assert is_number(text) is expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, False),
        (b"", False),
        (b"no JSON but 13125550142", True),
        (b"no JSON but 113125550142", False),
        (b"no JSON but 131255501420", False),
        (b'{"a":[13125550142]}', True),
        (b'{"13125550142":1}', True),
        (b'{"a":"001 312.555-0142"}', True),
        (b'{"a":"00 1 (312) 555/0142"}', True),
        (b'{"a":"(312) 555-0142"}', False),
        (b'{"a":"+1 (0) 312 555 0142 or +1(0)3125550142"}', True),
        ('{"a":"+1 312\u200b555\u20110142"}'.encode(), True),
        ('{"a":"\uff0b\uff11 \uff13\uff11\uff12 \uff15\uff15\uff15 \uff10\uff11\uff14\uff12"}'.encode(), True),
        ('{"a":"\u0661\u0663\u0661\u0662\u0665\u0665\u0665\u0660\u0661\u0664\u0662"}'.encode(), True),
        ('{"a":"+1 312 555 0142\u00b2"}'.encode(), True),
        (b'{"a":true}', False),
        (b'{"a":"HBgLMTMxMjU1NTAxNDIVAgASGBQz"}', True),
    ],
)
def test_a_whole_number_is_matched_however_it_is_written(content: Any, *, expected: bool) -> None:
    assert NumberMatcher.of(A).within(content) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call +44 (0)20 7946 0000", True),
        ("call 0044(0) 20 7946 0000", True),
        ("call +44 020 7946 0000", True),
        ("call +44 020 7946 00001", False),
        ("call (0)20 7946 0000", False),
    ],
)
def test_each_of_several_spellings_is_matched(text: str, *, expected: bool) -> None:
    assert NumberMatcher.of("+442079460000", "+4402079460000").within(text.encode()) is expected


def test_a_zero_that_belongs_to_an_italian_number_makes_it_another() -> None:
    assert NumberMatcher.of("+390612345678").within(b"+39 (0)6 1234 5678")
    assert not NumberMatcher.of("+393312345678").within(b"+39 (0)331 234 5678")


def test_an_id_without_digits_is_matched_as_it_is() -> None:
    assert NumberMatcher.of("a.b").within(b'{"x":"a.b"}')
    assert not NumberMatcher.of("a.b").within(b'{"x":"acb"}')
