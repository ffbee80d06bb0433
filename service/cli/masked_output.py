"""Telnyx's answers as tables and JSON, with the numbers in them masked unless they are to be shown."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from service.cli.output import say, say_json
from service.cli.rich_output import Cell, print_table
from service.events.nested_json import transform
from service.security.masked_urls import is_webhook_url, without_password
from service.security.masking import mask_e164, mask_ids, mask_number

T = TypeVar("T")


def show_list(
    found: Sequence[T], columns: str, row: Callable[[T], Sequence[Cell]], none: str, *, as_json: bool, reveal: bool
) -> None:
    """Print a list as JSON or as a table, or `none` for people if it is empty.

    `columns` has commas between their names, and `row` masks its own numbers.
    """
    if as_json:
        print_json([_plain(each) for each in found], reveal=reveal)
    elif found:
        print_table(columns.split(", "), map(row, found))
    else:
        say(none, err=True)


def print_json(value: Any, *, reveal: bool) -> None:
    """Print an answer of Telnyx's, which may be a model of its SDK."""
    say_json(shown_within(_plain(value), reveal=reveal))


def say_fields(value: Any, *, reveal: bool) -> None:
    """Print the set fields of an answer of Telnyx's, each on a line."""
    for field, each in shown_within(_plain(value), reveal=reveal).items():
        if each is not None:
            say(f"{field}: {_in_words(each)}")


def shown(number: str | None, *, reveal: bool) -> str:
    """Return a number as it may be shown, or `-` where there is none."""
    if number is None:
        return "-"
    return number if reveal else mask_number(number)


def shown_within(value: Any, *, reveal: bool) -> Any:
    """Return a value with the numbers in its texts as they may be shown. No login in a webhook URL ever is."""
    return transform(value, partial(_leaf, reveal=reveal))


def _leaf(leaf: Any, field: str, *, reveal: bool) -> Any:
    if not isinstance(leaf, str):
        return leaf
    text = without_password(leaf) if is_webhook_url(field) else leaf
    return text if reveal else mask_e164(mask_ids(text))


def _plain(value: Any) -> Any:
    return value.to_dict(mode="json") if hasattr(value, "to_dict") else value


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_in_words(each)}" for name, each in value.items() if each is not None)
    return str(value)
